import 'reflect-metadata';
import { injectable, container as parent } from 'tsyringe';
import { describe, expect, test } from 'vitest';
import { Module, type Provider } from '../decorators/module.js';
import { OnData } from '../decorators/on-data.js';
import { Reagent } from '../decorators/reagent.js';
import { readBlueprint } from './blueprint.js';
import type { ProcessKind } from './modules.js';

@injectable()
class Schedule {}

@injectable()
class Store {}

@injectable()
class Report {
  constructor(
    readonly store: Store,
    readonly schedule: Schedule,
  ) {}
}

@Reagent({ port: 0 })
class Echo {
  constructor(readonly schedule: Schedule) {}
  @OnData()
  echo() {}
}

/** What a process of that kind makes, and what is wrong with all of it. */
function read(kind: ProcessKind, providers: readonly Provider[], reagents: (typeof Echo)[] = []) {
  @Module({ providers, reagents })
  class AppModule {}
  const blueprint = readBlueprint(AppModule, kind, {}, { parent }, { tls: undefined, problems: [] });
  return {
    made: blueprint.providers.map(({ token }) => token),
    problems: blueprint.problems.map(({ where, message }) => `${where}: ${message}`),
  };
}

const scheduleOnce: Provider = { token: Schedule, useClass: Schedule, process: 'supervisor' };

describe('what is made in which process', () => {
  const providers: Provider[] = [
    Store,
    { token: 'worker', useValue: 1, process: 'worker' },
    { token: 'supervisor', useFactory: () => 2, process: 'supervisor' },
    { token: 'all', useExisting: Store, process: 'all' },
  ];

  test.each([
    [undefined, [Store, 'worker', 'supervisor', 'all']],
    ['worker', [Store, 'worker', 'all']],
    ['supervisor', ['supervisor', 'all']],
  ] as const)('%s', (kind, tokens) => {
    expect(read(kind, providers).made).toEqual(tokens);
  });

  test('the one that an importing module provides instead may be made elsewhere', () => {
    expect(read('worker', [Store, { token: Store, useValue: {}, process: 'supervisor' }]).made).toEqual([]);
  });
});

describe('what one process asks for and another one makes', () => {
  const asksTheSupervisor =
    "Echo: parameter 1 of the constructor asks for Schedule, which is made in the supervisor only; list it with process: 'all' to have one in each process";

  test('is an error in the workers, which the supervisor finds too', () => {
    expect(read('worker', [scheduleOnce], [Echo]).problems).toEqual([asksTheSupervisor]);
    expect(read('supervisor', [scheduleOnce], [Echo]).problems).toEqual([asksTheSupervisor]);
  });

  test('is an error in the supervisor', () => {
    const report: Provider = { token: Report, useClass: Report, process: 'supervisor' };
    expect(read('supervisor', [Store, scheduleOnce, report]).problems).toEqual([
      "Report: parameter 1 of the constructor asks for Store, which is made in the workers only; list it with process: 'all' to have one in each process",
    ]);
  });

  test('is there where one process makes all', () => {
    expect(read(undefined, [Store, scheduleOnce, Report], [Echo]).problems).toEqual([]);
  });

  test('is there where each process makes one', () => {
    const everywhere: Provider = { token: Schedule, useClass: Schedule, process: 'all' };
    expect(read('supervisor', [everywhere], [Echo]).problems).toEqual([]);
  });
});

test('what is wrong in all processes is said once', () => {
  class Unknown {
    constructor(readonly store: Store) {}
  }
  Reflect.deleteMetadata('design:paramtypes', Unknown);
  const { problems } = read('supervisor', [{ token: Unknown, useClass: Unknown, process: 'all' }]);
  expect(problems).toEqual([expect.stringMatching(/^Unknown: the types of its constructor's parameters/)]);
});
