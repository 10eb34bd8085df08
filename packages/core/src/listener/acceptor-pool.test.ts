import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { AcceptorPool } from './acceptor-pool.js';
import { Arrival, type ArrivalDesk } from './arrival.js';

const desk: ArrivalDesk = {
  received: () => false,
  ended: () => {},
  closed: () => {},
  handshakeDone: () => {},
  handshakeFailed: () => {},
};
const arrivals = (...names: string[]) => names.map((name) => new Arrival({} as Socket, name, desk));

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

it('gives up one that waits, and one that has an acceptor together with it', () => {
  const { acceptors, started } = pool(1);
  const [first, second, third] = arrivals('a', 'b', 'c') as [Arrival, Arrival, Arrival];
  for (const arrival of [first, second, third]) acceptors.enter(arrival);
  acceptors.giveUp(second);
  expect([acceptors.busy, acceptors.waiting]).toEqual([1, 1]);
  acceptors.giveUp(first);
  expect(started).toEqual(['a', 'c']);
  expect([acceptors.busy, acceptors.waiting]).toEqual([1, 0]);
});

it('takes back all that wait', () => {
  const { acceptors, started } = pool(1);
  for (const arrival of arrivals('a', 'b', 'c')) acceptors.enter(arrival);
  expect(acceptors.clear().map(({ ip }) => ip)).toEqual(['b', 'c']);
  acceptors.leave();
  expect(started).toEqual(['a']);
});

it('tells who waits, for the first step or for the next', () => {
  const { acceptors } = pool(1);
  const [first, second, third] = arrivals('a', 'b', 'c') as [Arrival, Arrival, Arrival];
  for (const arrival of [first, second, third]) acceptors.enter(arrival);
  expect([...acceptors.queue()]).toEqual([second, third]);
  acceptors.lend(first);
  acceptors.reclaim(first);
  expect([...acceptors.queue()]).toEqual([third, first]);
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

describe('while a client is the one to act', () => {
  it('its acceptor serves whoever comes, and it goes on ahead of those who have not begun', () => {
    const { acceptors, started } = pool(1);
    const [silent, next, last] = arrivals('silent', 'next', 'last') as [Arrival, Arrival, Arrival];
    acceptors.enter(silent);
    acceptors.lend(silent);
    expect(acceptors.busy).toBe(1);
    acceptors.enter(next);
    acceptors.enter(last);
    expect(started).toEqual(['silent', 'next']);
    acceptors.reclaim(silent);
    expect([started.length, acceptors.busy, acceptors.waiting]).toEqual([2, 1, 2]);
    acceptors.leave();
    expect(started).toEqual(['silent', 'next', 'silent']);
    acceptors.leave();
    acceptors.leave();
    expect(started).toEqual(['silent', 'next', 'silent', 'last']);
    expect([acceptors.busy, acceptors.waiting]).toEqual([0, 0]);
  });

  it('it keeps its acceptor as long as nobody needs it', () => {
    const { acceptors, started } = pool(1);
    const [silent, next] = arrivals('silent', 'next') as [Arrival, Arrival];
    acceptors.enter(silent);
    acceptors.lend(silent);
    acceptors.reclaim(silent);
    expect(started).toEqual(['silent', 'silent']);
    acceptors.enter(next);
    expect(started).toHaveLength(2);
    acceptors.leave();
    expect(started).toEqual(['silent', 'silent', 'next']);
  });

  it('its acceptor serves one that waits already', () => {
    const { acceptors, started } = pool(1);
    const [silent, next] = arrivals('silent', 'next') as [Arrival, Arrival];
    acceptors.enter(silent);
    acceptors.enter(next);
    expect(started).toEqual(['silent']);
    acceptors.lend(silent);
    expect(started).toEqual(['silent', 'next']);
    expect([acceptors.busy, acceptors.waiting]).toEqual([1, 0]);
  });

  it('any number of silent clients keep nobody from being served', () => {
    const { acceptors, started } = pool(2, (arrival, acceptors) => {
      if (arrival.ip === 'silent') acceptors.lend(arrival);
      else acceptors.leave();
    });
    for (const arrival of arrivals(...Array<string>(50).fill('silent'), 'served')) acceptors.enter(arrival);
    expect(started.at(-1)).toBe('served');
    expect(acceptors.busy).toBeLessThanOrEqual(2);
  });

  it('it can be given up, with its acceptor or without', () => {
    const { acceptors, started } = pool(1);
    const [first, second, third] = arrivals('a', 'b', 'c') as [Arrival, Arrival, Arrival];
    acceptors.enter(first);
    acceptors.lend(first);
    acceptors.enter(second);
    acceptors.giveUp(first);
    expect([acceptors.busy, acceptors.waiting]).toEqual([1, 0]);
    acceptors.lend(second);
    acceptors.giveUp(second);
    expect(acceptors.busy).toBe(0);
    acceptors.enter(third);
    expect(started).toEqual(['a', 'b', 'c']);
  });

  it('a smaller pool takes lent acceptors back first', () => {
    const { acceptors, started } = pool(3);
    const [first, second, third] = arrivals('a', 'b', 'c') as [Arrival, Arrival, Arrival];
    for (const arrival of [first, second, third]) acceptors.enter(arrival);
    acceptors.lend(first);
    acceptors.lend(second);
    acceptors.resize(1);
    const [fourth] = arrivals('d') as [Arrival];
    acceptors.enter(fourth);
    expect(started).toEqual(['a', 'b', 'c']);
    acceptors.leave();
    expect(started).toEqual(['a', 'b', 'c', 'd']);
    expect(acceptors.busy).toBe(1);
  });
});
