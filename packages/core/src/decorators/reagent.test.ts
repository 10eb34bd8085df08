import 'reflect-metadata';
import { container } from 'tsyringe';
import { expect, test } from 'vitest';
import { OnData } from './on-data.js';
import { Reagent, reagentOf } from './reagent.js';

class Service {}

@Reagent({ port: 8080 })
class Echo {
  constructor(readonly service: Service) {}
  @OnData() echo() {}
}

test('reagentOf gives the descriptor of the class itself', () => {
  const descriptor = () => ({ port: 1 });
  @Reagent(descriptor)
  class Computed extends Echo {}
  @Reagent()
  class Later extends Echo {}
  expect(reagentOf(Echo)).toEqual({ descriptor: { port: 8080 } });
  expect(reagentOf(Computed)).toEqual({ descriptor });
  expect(reagentOf(Later)).toEqual({ descriptor: {} });
});

test('reagentOf gives the inherited descriptor where the class has none, and nothing where there is none', () => {
  class Derived extends Echo {}
  expect(reagentOf(Derived)).toEqual({ descriptor: { port: 8080 } });
  expect(reagentOf(Service)).toBeUndefined();
});

test('@Reagent makes the class injectable', () => {
  expect(container.resolve(Echo).service).toBeInstanceOf(Service);
});
