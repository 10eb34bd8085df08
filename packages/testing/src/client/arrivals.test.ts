import { expect, it } from 'vitest';
import { Arrivals } from './arrivals.js';

it('keeps all bytes in order while it grows, and what was taken apart from what was not', () => {
  const arrivals = new Arrivals();
  const sent: Buffer[] = [];
  for (let size = 1; size < 5_000; size *= 3) {
    const chunk = Buffer.alloc(size, size);
    sent.push(chunk);
    arrivals.push(chunk);
  }
  arrivals.take(10);
  const all = Buffer.concat(sent);
  expect(arrivals.all.equals(all)).toBe(true);
  expect(arrivals.pending.equals(all.subarray(10))).toBe(true);
});

it('gives views that later bytes do not change', () => {
  const arrivals = new Arrivals();
  arrivals.push(Buffer.from('first'));
  const view = arrivals.pending;
  arrivals.push(Buffer.from('second'));
  expect(view.toString()).toBe('first');
});
