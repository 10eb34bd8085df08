import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { Fifo } from './fifo.js';

it('gives entries in the order in which they came', () => {
  const fifo = new Fifo<string>();
  for (const entry of ['a', 'b', 'c']) fifo.push(entry);
  expect([fifo.shift(), fifo.shift(), fifo.shift(), fifo.shift()]).toEqual(['a', 'b', 'c', undefined]);
});

it('does as an array does, whatever is taken out of turn', () => {
  const step = fc.oneof(
    fc.record({ call: fc.constant('push' as const) }),
    fc.record({ call: fc.constant('shift' as const) }),
    fc.record({ call: fc.constant('delete' as const), at: fc.nat(20) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const fifo = new Fifo<number>();
      let model: number[] = [];
      steps.forEach((step, number) => {
        if (step.call === 'push') {
          fifo.push(number);
          model.push(number);
        } else if (step.call === 'shift') {
          expect(fifo.shift()).toBe(model.shift());
        } else {
          const entry = model[step.at] ?? -1;
          expect(fifo.delete(entry)).toBe(model.includes(entry));
          model = model.filter((other) => other !== entry);
        }
        expect(fifo.size).toBe(model.length);
      });
      for (const entry of model) expect(fifo.shift()).toBe(entry);
    }),
  );
});
