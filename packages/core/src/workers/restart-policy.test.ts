import { describe, expect, it } from 'vitest';
import { backoff, DeathWatch } from './restart-policy.js';

describe('the wait before a worker is replaced', () => {
  it('doubles from 100 ms to 10 s', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 100].map(backoff)).toEqual([
      100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000,
    ]);
  });
});

describe('deaths', () => {
  it('are too many when there is one more than is put up with', () => {
    const watch = new DeathWatch(2, 1_000);
    expect([0, 1, 2].map((time) => watch.count(time))).toEqual([false, false, true]);
  });

  it('count no longer when their time has passed', () => {
    const watch = new DeathWatch(2, 1_000);
    expect([0, 500, 1_000, 1_500, 1_999].map((time) => watch.count(time))).toEqual([false, false, false, false, true]);
  });

  it('are too many at once where none is put up with', () => {
    expect(new DeathWatch(0, 1_000).count(0)).toBe(true);
  });
});
