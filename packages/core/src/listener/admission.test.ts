import type { Socket } from 'node:net';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Timeouts } from '../descriptor/descriptor.js';
import type { RejectReason } from '../telemetry/statistics.js';
import { Admission } from './admission.js';
import { Arrival } from './arrival.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setImmediate', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

interface Limits {
  readonly maxConnections?: number;
  readonly maxConnectionsPerIp?: number;
  readonly maxWaiting?: number;
  readonly wait?: number;
  readonly acceptRate?: { readonly perIp: number; readonly interval: number };
}

const arrival = (ip = '10.0.0.1') =>
  new Arrival({} as Socket, ip, {
    received: () => false,
    ended: () => {},
    closed: () => {},
    handshakeDone: () => {},
    handshakeFailed: () => {},
  });

/** A desk that notes whom it was told of. */
class Desk {
  readonly inside: Arrival[] = [];
  readonly refused: { arrival: Arrival; reason: RejectReason }[] = [];
  readonly admission: Admission;

  constructor(limits: Limits) {
    const { maxConnections = Infinity, maxConnectionsPerIp = Infinity, maxWaiting = 10, wait = Infinity } = limits;
    const acceptRate = limits.acceptRate === undefined ? undefined : { burst: undefined, ...limits.acceptRate };
    this.admission = new Admission(
      {
        maxConnections,
        maxConnectionsPerIp,
        maxWaiting,
        acceptRate: acceptRate as never,
        timeouts: { wait } as Timeouts,
      },
      this,
    );
  }

  admitted(arrival: Arrival): void {
    this.inside.push(arrival);
  }

  turnedAway(arrival: Arrival, reason: RejectReason): void {
    this.refused.push({ arrival, reason });
  }

  /** Asks, and enters if there is nothing against it. */
  come(ip?: string): Arrival {
    const comer = arrival(ip);
    const reason = this.admission.refusal(comer.ip);
    if (reason === undefined) this.admission.enter(comer);
    else this.turnedAway(comer, reason);
    return comer;
  }

  get reasons(): RejectReason[] {
    return this.refused.map(({ reason }) => reason);
  }
}

describe('maxConnections', () => {
  it('is kept to, the others wait in turn, and those over maxWaiting are turned away', () => {
    const desk = new Desk({ maxConnections: 2, maxWaiting: 2 });
    const [a, b, c, d, e] = [desk.come(), desk.come(), desk.come(), desk.come(), desk.come()];
    expect(desk.inside).toEqual([a, b]);
    expect(desk.refused).toEqual([{ arrival: e, reason: 'maxConnections' }]);
    expect([desk.admission.active, desk.admission.waiting]).toEqual([2, 2]);
    desk.admission.leave(a);
    expect(desk.inside).toEqual([a, b, c]);
    desk.admission.leave(b);
    desk.admission.leave(c);
    desk.admission.leave(d);
    expect(desk.inside).toEqual([a, b, c, d]);
    expect([desk.admission.active, desk.admission.waiting]).toEqual([0, 0]);
  });

  it('raised lets waiters in at once, lowered closes nothing', () => {
    const desk = new Desk({ maxConnections: 1 });
    const all = [desk.come(), desk.come(), desk.come()];
    desk.admission.maxConnections = 3;
    expect(desk.inside).toEqual(all);
    desk.admission.maxConnections = 1;
    expect(desk.admission.active).toBe(3);
    const late = desk.come();
    desk.admission.leave(all[0] as Arrival);
    desk.admission.leave(all[1] as Arrival);
    expect(desk.inside).not.toContain(late);
    desk.admission.leave(all[2] as Arrival);
    expect(desk.inside).toContain(late);
  });

  it('does not count one that is exempt, and counts it off once only', () => {
    const desk = new Desk({ maxConnections: 1 });
    const [a, b, c] = [desk.come(), desk.come(), desk.come()];
    desk.admission.exempt(a);
    desk.admission.exempt(a);
    expect(desk.inside).toEqual([a, b]);
    desk.admission.leave(a);
    expect(desk.inside).toEqual([a, b]);
    desk.admission.leave(b);
    expect(desk.inside).toEqual([a, b, c]);
  });

  it('thousands that leave at once take no stack', () => {
    const desk = new Desk({ maxConnections: 1, maxWaiting: 20_000 });
    const first = desk.come();
    for (let count = 0; count < 20_000; count += 1) desk.come();
    desk.admitted = (arrival) => desk.admission.leave(arrival);
    desk.admission.leave(first);
    expect([desk.admission.active, desk.admission.waiting]).toEqual([0, 0]);
  });
});

describe('waiting', () => {
  it('ends after timeouts.wait, and not before', () => {
    const desk = new Desk({ maxConnections: 1, wait: 640 });
    desk.come();
    const late = desk.come();
    vi.advanceTimersByTime(639);
    expect(desk.refused).toEqual([]);
    vi.advanceTimersByTime(21);
    expect(desk.refused).toEqual([{ arrival: late, reason: 'wait' }]);
    expect(desk.admission.waiting).toBe(0);
  });

  it('has no limit for one that was let in, or has gone', () => {
    const desk = new Desk({ maxConnections: 1, wait: 640 });
    const [a, b, c] = [desk.come(), desk.come(), desk.come()];
    desk.admission.leave(a);
    expect(desk.admission.abandon(c)).toBe(true);
    expect(desk.admission.abandon(c)).toBe(false);
    expect(desk.admission.abandon(b)).toBe(false);
    vi.advanceTimersByTime(10_000);
    expect(desk.refused).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends for all when the listener stops', () => {
    const desk = new Desk({ maxConnections: 1, wait: 640 });
    desk.come();
    desk.come();
    desk.come();
    desk.admission.clear();
    expect(desk.reasons).toEqual(['shutdown', 'shutdown']);
    expect(desk.admission.waiting).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('an address', () => {
  it('has no more than maxConnectionsPerIp, those that wait included, and others are not affected', () => {
    const desk = new Desk({ maxConnections: 1, maxConnectionsPerIp: 2 });
    const inside = desk.come('a');
    const waiting = desk.come('a');
    desk.come('a');
    desk.come('b');
    expect(desk.reasons).toEqual(['maxConnectionsPerIp']);
    desk.admission.abandon(waiting);
    desk.come('a');
    expect(desk.reasons).toHaveLength(1);
    desk.admission.leave(inside);
    desk.come('a');
    expect(desk.reasons).toHaveLength(1);
  });

  it('that does not exist, as of a Unix socket, has no limit', () => {
    const desk = new Desk({ maxConnectionsPerIp: 1, acceptRate: { perIp: 1, interval: 1_000 } });
    for (let count = 0; count < 5; count += 1) desk.come('');
    expect(desk.refused).toEqual([]);
  });

  it('connects no faster than acceptRate', () => {
    const desk = new Desk({ acceptRate: { perIp: 2, interval: 1_000 } });
    for (let count = 0; count < 3; count += 1) desk.come('a');
    desk.come('b');
    expect(desk.reasons).toEqual(['acceptRate']);
    vi.advanceTimersByTime(500);
    desk.come('a');
    expect(desk.reasons).toHaveLength(1);
  });
});

it('a wait that is shortened, lengthened or taken back holds for those who wait already', () => {
  const desk = new Desk({ maxConnections: 1 });
  desk.come();
  const first = desk.come();
  vi.advanceTimersByTime(1_000);
  const second = desk.come();
  desk.admission.waitTimeout = 6_400;
  vi.advanceTimersByTime(5_399);
  expect(desk.refused).toEqual([]);
  vi.advanceTimersByTime(201);
  expect(desk.refused).toEqual([{ arrival: first, reason: 'wait' }]);
  desk.admission.waitTimeout = Infinity;
  vi.advanceTimersByTime(100_000);
  expect(vi.getTimerCount()).toBe(0);
  expect(desk.refused).toHaveLength(1);
  desk.admission.waitTimeout = 64;
  vi.advanceTimersByTime(2);
  expect(desk.refused.map(({ arrival }) => arrival)).toEqual([first, second]);
});

it('an address is counted rightly, however often its limit comes and goes while clients do', () => {
  const addresses = ['a', 'b', 'c'] as const;
  const step = fc.record({
    call: fc.constantFrom('come', 'come', 'come', 'leave', 'abandon', 'limit'),
    pick: fc.nat(9),
    limit: fc.constantFrom(Infinity, 1, 2, 3),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const desk = new Desk({ maxConnections: 4, maxWaiting: 4 });
      const { admission } = desk;
      const present = new Map<Arrival, string>();
      const counts = (address: string) => [...present.values()].filter((other) => other === address).length;
      for (const { call, pick, limit } of steps) {
        const address = addresses[pick % 3] as string;
        const one = [...present.keys()][pick];
        if (call === 'come') {
          const isOver = admission.asksForAddresses && counts(address) >= admission.maxConnectionsPerIp;
          // An address that does not matter is not asked for.
          const comer = desk.come(admission.asksForAddresses ? address : '');
          const [refused] = desk.refused.splice(0);
          if (isOver) expect(refused?.reason).toBe('maxConnectionsPerIp');
          else expect(refused?.reason).toBe(present.size === 8 ? 'maxConnections' : undefined);
          if (refused === undefined) present.set(comer, address);
        } else if (call === 'limit') {
          admission.maxConnectionsPerIp = limit;
          if (admission.asksForAddresses) {
            for (const [client, address] of present) if (client.ip === '') admission.locate(client, address);
          }
        } else if (one !== undefined && call === 'leave' && desk.inside.includes(one)) {
          present.delete(one);
          admission.leave(one);
        } else if (one !== undefined && call === 'abandon' && admission.abandon(one)) {
          present.delete(one);
        }
        expect([...admission.queue]).toHaveLength(admission.waiting);
        for (const address of addresses) {
          const expected = counts(address) >= admission.maxConnectionsPerIp ? 'maxConnectionsPerIp' : undefined;
          if (admission.asksForAddresses) expect(admission.refusal(address)).toBe(expected);
        }
      }
    }),
  );
});

it('whoever comes and goes in whatever order, no limit is passed and nothing is left', () => {
  const step = fc.record({
    call: fc.constantFrom('come', 'come', 'leave', 'exempt', 'abandon', 'limit'),
    pick: fc.nat(9),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const desk = new Desk({ maxConnections: 3, maxConnectionsPerIp: 4, maxWaiting: 3 });
      const { admission } = desk;
      const exempt = new Set<Arrival>();
      const waiting = new Set<Arrival>();
      const settle = () => {
        for (const one of [...desk.inside, ...desk.refused.map(({ arrival }) => arrival)]) waiting.delete(one);
      };
      let limit = 3;
      for (const { call, pick } of steps) {
        const before = admission.active;
        const one = desk.inside[pick];
        if (call === 'come') waiting.add(desk.come(String(pick % 3)));
        else if (call === 'limit') admission.maxConnections = limit = (pick % 4) + 1;
        else if (call === 'abandon') {
          const [first] = waiting;
          if (first !== undefined && admission.abandon(first)) waiting.delete(first);
        } else if (one !== undefined && call === 'exempt') {
          exempt.add(one);
          admission.exempt(one);
        } else if (one !== undefined) {
          desk.inside.splice(pick, 1);
          admission.leave(one);
        }
        settle();
        expect(admission.active).toBe(desk.inside.filter((inside) => !exempt.has(inside)).length);
        expect(admission.active).toBeLessThanOrEqual(Math.max(limit, before));
        expect(admission.waiting).toBe(waiting.size);
        if (admission.waiting > 0) expect(admission.active).toBeGreaterThanOrEqual(limit);
      }
      admission.clear();
      for (const left of desk.inside) admission.leave(left);
      expect([admission.active, admission.waiting]).toEqual([0, 0]);
      for (let count = 0; count < 4; count += 1) expect(admission.refusal('1')).toBeUndefined();
    }),
  );
});
