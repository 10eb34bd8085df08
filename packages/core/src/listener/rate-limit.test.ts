import { expect, it } from 'vitest';
import { RateLimit } from './rate-limit.js';

const taken = (limit: RateLimit, address: string, times: number, now: number) =>
  Array.from({ length: times }, () => limit.take(address, now)).filter(Boolean).length;

it('lets as many of an address in as the interval allows', () => {
  const limit = new RateLimit({ perIp: 3, interval: 1_000 });
  expect(taken(limit, 'a', 5, 0)).toBe(3);
  expect(taken(limit, 'b', 5, 0)).toBe(3);
});

it('lets the next one in after its part of the interval, and not before', () => {
  const limit = new RateLimit({ perIp: 4, interval: 1_000 });
  expect(taken(limit, 'a', 9, 0)).toBe(4);
  expect(limit.take('a', 249)).toBe(false);
  expect(limit.take('a', 250)).toBe(true);
  expect(limit.take('a', 250)).toBe(false);
});

it('lets a burst in, and then no more than the rate', () => {
  const limit = new RateLimit({ perIp: 1, interval: 100, burst: 10 });
  expect(taken(limit, 'a', 20, 0)).toBe(10);
  let admitted = 0;
  for (let now = 1; now <= 1_000; now += 1) admitted += limit.take('a', now) ? 1 : 0;
  expect(admitted).toBe(10);
});

it('fills up to the burst and no further, however long an address was quiet', () => {
  const limit = new RateLimit({ perIp: 2, interval: 100 });
  expect(taken(limit, 'a', 5, 0)).toBe(2);
  expect(taken(limit, 'a', 5, 1_000_000)).toBe(2);
});

it('refusals cost an address nothing: it is let in as soon as it may', () => {
  const limit = new RateLimit({ perIp: 1, interval: 100 });
  limit.take('a', 0);
  for (let now = 1; now < 100; now += 1) expect(limit.take('a', now)).toBe(false);
  expect(limit.take('a', 100)).toBe(true);
});

it('remembers the addresses of lately only', () => {
  const limit = new RateLimit({ perIp: 1, interval: 1_000 });
  for (let number = 0; number < 100_000; number += 1) limit.take(`address ${number}`, number);
  // A thousand of them may be less than an interval old; twice that many are kept before it looks again.
  expect(limit.size).toBeLessThan(4_000);
  expect(limit.take('address 99999', 100_000)).toBe(false);
});
