import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { AcceptorPool } from './acceptor-pool.js';
import { Arrival } from './arrival.js';

const arrivals = (...names: string[]) => names.map((name) => new Arrival({} as Socket, name, () => {}));

/** A pool that notes whom it sets up. */
function pool(size: number, setUp: (arrival: Arrival, pool: AcceptorPool) => void = () => {}) {
  const started: string[] = [];
  const acceptors: AcceptorPool = new AcceptorPool(size, (arrival) => {
    started.push(arrival.ip);
    setUp(arrival, acceptors);
  });
  return { acceptors, started };
}

it('sets up as many at the same time as it has acceptors, and the others in turn', () => {
  const { acceptors, started } = pool(2);
  for (const arrival of arrivals('a', 'b', 'c', 'd')) acceptors.enter(arrival);
  expect(started).toEqual(['a', 'b']);
  expect([acceptors.busy, acceptors.waiting]).toEqual([2, 2]);
  acceptors.leave();
  expect(started).toEqual(['a', 'b', 'c']);
  acceptors.leave();
  acceptors.leave();
  acceptors.leave();
  expect(started).toEqual(['a', 'b', 'c', 'd']);
  expect([acceptors.busy, acceptors.waiting]).toEqual([0, 0]);
});

it('takes one back that waits, and nobody else', () => {
  const { acceptors, started } = pool(1);
  const [first, second, third] = arrivals('a', 'b', 'c') as [Arrival, Arrival, Arrival];
  for (const arrival of [first, second, third]) acceptors.enter(arrival);
  expect(acceptors.delete(second)).toBe(true);
  expect(acceptors.delete(second)).toBe(false);
  expect(acceptors.delete(first)).toBe(false);
  acceptors.leave();
  expect(started).toEqual(['a', 'c']);
});

it('takes back all that wait', () => {
  const { acceptors, started } = pool(1);
  for (const arrival of arrivals('a', 'b', 'c')) acceptors.enter(arrival);
  expect(acceptors.clear().map(({ ip }) => ip)).toEqual(['b', 'c']);
  acceptors.leave();
  expect(started).toEqual(['a']);
});

it('a larger size lets those in at once who wait, a smaller one lets the busy finish', () => {
  const { acceptors, started } = pool(1);
  for (const arrival of arrivals('a', 'b', 'c', 'd')) acceptors.enter(arrival);
  acceptors.resize(3);
  expect(started).toEqual(['a', 'b', 'c']);
  acceptors.resize(1);
  expect(acceptors.busy).toBe(3);
  acceptors.leave();
  acceptors.leave();
  expect(started).toEqual(['a', 'b', 'c']);
  acceptors.leave();
  expect(started).toEqual(['a', 'b', 'c', 'd']);
});

it('thousands that are done at once take no stack', () => {
  const { acceptors, started } = pool(1, (arrival, acceptors) => {
    if (arrival.ip !== 'slow') acceptors.leave();
  });
  const many = Array.from({ length: 20_000 }, (_, index) => String(index));
  for (const arrival of arrivals('slow', ...many)) acceptors.enter(arrival);
  expect(acceptors.waiting).toBe(20_000);
  acceptors.leave();
  expect(started).toEqual(['slow', ...many]);
  expect([acceptors.busy, acceptors.waiting]).toEqual([0, 0]);
});

it('goes on after one whose set-up threw', () => {
  const { acceptors, started } = pool(1, ({ ip }) => {
    if (ip === 'b') throw new Error('no');
  });
  for (const arrival of arrivals('a', 'b', 'c')) acceptors.enter(arrival);
  expect(() => acceptors.leave()).toThrow('no');
  acceptors.leave();
  expect(started).toEqual(['a', 'b', 'c']);
});
