import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadlines } from './deadlines.js';

interface Entry {
  readonly name: string;
  active: number;
}

const DURATION = 640;
/** How late an entry may expire: two 64ths of the duration. */
const LATEST = 20;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setImmediate', 'performance'], now: 12_345 });
});
afterEach(() => {
  vi.useRealTimers();
});

function entry(name: string): Entry {
  return { name, active: performance.now() };
}

/** Deadlines that note who expires, and when. */
function noting(duration = DURATION, onExpired: (entry: Entry) => void = () => {}) {
  const expired: { name: string; at: number }[] = [];
  const deadlines = new Deadlines<Entry>(
    duration,
    ({ active }) => active,
    (entry) => {
      expired.push({ name: entry.name, at: performance.now() });
      onExpired(entry);
    },
  );
  return { deadlines, expired, names: () => expired.map(({ name }) => name) };
}

describe('an entry', () => {
  it('whose time limit is void is dropped when it is looked at, and may be added again', () => {
    const { deadlines, names } = noting();
    const item = entry('a');
    deadlines.add(item);
    item.active = Infinity;
    vi.advanceTimersByTime(DURATION + LATEST);
    expect(names()).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
    item.active = performance.now();
    deadlines.add(item);
    vi.advanceTimersByTime(DURATION + LATEST);
    expect(names()).toEqual(['a']);
  });

  it('whose time limit was void for a while has its whole duration from then on', () => {
    const { deadlines, names } = noting();
    const item = entry('a');
    deadlines.add(item);
    item.active = Infinity;
    vi.advanceTimersByTime(DURATION / 2);
    item.active = performance.now();
    deadlines.add(item);
    vi.advanceTimersByTime(DURATION - 1);
    expect(names()).toEqual([]);
    vi.advanceTimersByTime(1 + LATEST);
    expect(names()).toEqual(['a']);
  });

  it('expires after its duration, never early, and two slots late at most', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5_000 }),
        fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 20 }),
        (duration, delays) => {
          const { deadlines, expired } = noting(duration);
          const added = delays.map((delay, index) => {
            vi.advanceTimersByTime(delay);
            const added = entry(String(index));
            deadlines.add(added);
            return added;
          });
          vi.advanceTimersByTime(2 * duration + 10);
          expect(expired).toHaveLength(delays.length);
          for (const { name, at } of expired) {
            const late = at - (added[Number(name)] as Entry).active - duration;
            expect(late).toBeGreaterThanOrEqual(0);
            expect(late).toBeLessThanOrEqual(2 * Math.ceil(duration / 64));
          }
          expect(vi.getTimerCount()).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('that was active meanwhile has its whole duration from then on', () => {
    const { deadlines, expired } = noting();
    const busy = entry('busy');
    deadlines.add(busy);
    for (let times = 0; times < 10; times += 1) {
      vi.advanceTimersByTime(DURATION - 1);
      expect(expired).toEqual([]);
      busy.active = performance.now();
    }
    vi.advanceTimersByTime(DURATION - 1);
    expect(expired).toEqual([]);
    vi.advanceTimersByTime(1 + LATEST);
    expect(expired).toHaveLength(1);
  });

  it('that is deleted does not expire', () => {
    const { deadlines, names } = noting();
    const [gone, left] = [entry('gone'), entry('left')];
    deadlines.add(gone);
    deadlines.add(left);
    deadlines.delete(gone);
    vi.advanceTimersByTime(2 * DURATION);
    expect(names()).toEqual(['left']);
  });

  it('that is added twice expires once, counted from the first time', () => {
    const { deadlines, expired } = noting();
    const twice = entry('twice');
    deadlines.add(twice);
    vi.advanceTimersByTime(DURATION / 2);
    deadlines.add(twice);
    vi.advanceTimersByTime(DURATION / 2 + LATEST);
    expect(expired).toHaveLength(1);
    vi.advanceTimersByTime(2 * DURATION);
    expect(expired).toHaveLength(1);
  });

  it('can be added again when it expires, and gets its whole duration', () => {
    const { deadlines, expired } = noting(DURATION, (entry) => {
      entry.active = performance.now();
      if (expired.length < 3) deadlines.add(entry);
    });
    deadlines.add(entry('again'));
    vi.advanceTimersByTime(4 * (DURATION + LATEST));
    expect(expired).toHaveLength(3);
    const [first, second, third] = expired.map(({ at }) => at) as [number, number, number];
    expect(second - first).toBeGreaterThanOrEqual(DURATION);
    expect(third - second).toBeGreaterThanOrEqual(DURATION);
  });

  it('that another one deletes by expiring does not expire, though it was due at the same time', () => {
    const [first, second] = [entry('first'), entry('second')];
    const { deadlines, names } = noting(DURATION, (expired) => {
      deadlines.delete(expired === first ? second : first);
    });
    deadlines.add(first);
    deadlines.add(second);
    vi.advanceTimersByTime(2 * DURATION);
    expect(names()).toEqual(['first']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that another one renews by expiring gets its whole duration', () => {
    const [first, second] = [entry('first'), entry('second')];
    const { deadlines, expired } = noting(DURATION, (expired) => {
      if (expired !== first) return;
      deadlines.delete(second);
      second.active = performance.now();
      deadlines.add(second);
    });
    deadlines.add(first);
    deadlines.add(second);
    vi.advanceTimersByTime(3 * DURATION);
    expect(expired.map(({ name }) => name)).toEqual(['first', 'second']);
    expect((expired[1]?.at ?? 0) - (expired[0]?.at ?? 0)).toBeGreaterThanOrEqual(DURATION);
  });
});

describe('a duration that is changed', () => {
  it('to a shorter one counts from when an entry was last active, and for whom it is over already expires soon', () => {
    const { deadlines, expired } = noting();
    const old = entry('old');
    deadlines.add(old);
    vi.advanceTimersByTime(DURATION / 2);
    const young = entry('young');
    deadlines.add(young);
    const changedAt = performance.now();
    deadlines.duration = 128;
    expect(deadlines.duration).toBe(128);
    vi.advanceTimersByTime(1_000);
    expect(expired.map(({ name }) => name)).toEqual(['old', 'young']);
    const [first, second] = expired.map(({ at }) => at - changedAt) as [number, number];
    expect(first).toBeLessThanOrEqual(4);
    expect(second).toBeGreaterThanOrEqual(128);
    expect(second).toBeLessThanOrEqual(128 + 4);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('to a longer one gives an entry the rest of that', () => {
    const { deadlines, expired } = noting();
    const item = entry('a');
    deadlines.add(item);
    vi.advanceTimersByTime(DURATION - 1);
    deadlines.duration = 6_400;
    vi.advanceTimersByTime(6_400 - DURATION);
    expect(expired).toEqual([]);
    vi.advanceTimersByTime(1 + 200);
    expect(expired).toHaveLength(1);
  });

  it('to none and back keeps entries without a timer, those included that come meanwhile', () => {
    const { deadlines, names } = noting();
    const [before, gone] = [entry('before'), entry('gone')];
    deadlines.add(before);
    deadlines.add(gone);
    deadlines.duration = Infinity;
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(10 * DURATION);
    deadlines.add(entry('meanwhile'));
    deadlines.delete(gone);
    deadlines.duration = DURATION;
    vi.advanceTimersByTime(LATEST);
    expect(names()).toEqual(['before']);
    vi.advanceTimersByTime(DURATION);
    expect(names()).toEqual(['before', 'meanwhile']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not bring back an entry whose time limit is void', () => {
    const { deadlines, names } = noting();
    const item = entry('a');
    deadlines.add(item);
    item.active = Infinity;
    deadlines.duration = 64;
    expect(vi.getTimerCount()).toBe(0);
    item.active = performance.now();
    deadlines.add(item);
    vi.advanceTimersByTime(64 + 2);
    expect(names()).toEqual(['a']);
  });

  it.each([1, 100, 6_400, Infinity])(
    'to %s ms by one that expires holds for those that were due with it',
    (changed) => {
      const { deadlines, expired } = noting(DURATION, () => {
        deadlines.duration = changed;
      });
      const since = performance.now();
      deadlines.add(entry('first'));
      deadlines.add(entry('second'));
      vi.advanceTimersByTime(DURATION + LATEST);
      const isLonger = changed > DURATION;
      expect(expired.map(({ name }) => name)).toEqual(isLonger ? ['first'] : ['first', 'second']);
      if (changed === Infinity) {
        expect(vi.getTimerCount()).toBe(0);
        return;
      }
      vi.advanceTimersByTime(2 * 6_400);
      expect(expired).toHaveLength(2);
      if (isLonger) expect((expired[1]?.at ?? 0) - since).toBeLessThanOrEqual(changed + 2 * (changed / 64));
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  it('however often, never has an entry expire early, or more than two slots late', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 10 }),
        fc.array(fc.record({ after: fc.integer({ min: 0, max: 900 }), duration: fc.integer({ min: 1, max: 2_000 }) }), {
          maxLength: 8,
        }),
        (delays, changes) => {
          const { deadlines, expired } = noting();
          let changedAt = performance.now();
          const late: number[] = [];
          const added = delays.map((delay, index) => {
            vi.advanceTimersByTime(delay);
            const added = entry(String(index));
            deadlines.add(added);
            return added;
          });
          const look = () => {
            for (const { name, at } of expired.splice(0)) {
              const due = Math.max((added[Number(name)] as Entry).active + deadlines.duration, changedAt);
              late.push(at - due);
              expect(at - due).toBeGreaterThanOrEqual(0);
              expect(at - due).toBeLessThanOrEqual(2 * Math.ceil(deadlines.duration / 64));
            }
          };
          // Those that have expired while others were still being added had the first duration.
          look();
          for (const { after, duration } of changes) {
            vi.advanceTimersByTime(after);
            look();
            deadlines.duration = duration;
            changedAt = performance.now();
          }
          vi.advanceTimersByTime(2 * deadlines.duration + 10);
          look();
          expect(late).toHaveLength(delays.length);
          expect(vi.getTimerCount()).toBe(0);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('means nothing to entries that are forgotten', () => {
    const { deadlines, names } = noting();
    deadlines.add(entry('a'));
    deadlines.clear();
    expect(vi.getTimerCount()).toBe(0);
    deadlines.duration = 10;
    vi.advanceTimersByTime(DURATION * 2);
    expect(names()).toEqual([]);
  });
});

describe('the timer', () => {
  it('runs only while there are entries', () => {
    const { deadlines } = noting();
    expect(vi.getTimerCount()).toBe(0);
    const [one, other] = [entry('one'), entry('other')];
    deadlines.add(one);
    deadlines.add(other);
    // Besides the interval there may be the sweep that it has just started.
    expect(vi.getTimerCount()).toBeLessThanOrEqual(2);
    deadlines.delete(one);
    // Besides the interval there may be the sweep that it has just started.
    expect(vi.getTimerCount()).toBeLessThanOrEqual(2);
    deadlines.delete(other);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is one for any number of entries, which expire in the order in which they are due', () => {
    const { deadlines, expired } = noting();
    for (let index = 0; index < 1_000; index += 1) {
      deadlines.add(entry(String(index)));
      vi.advanceTimersByTime(1);
    }
    // Besides the interval there may be the sweep that it has just started.
    expect(vi.getTimerCount()).toBeLessThanOrEqual(2);
    vi.advanceTimersByTime(2 * DURATION);
    expect(expired).toHaveLength(1_000);
    const names = expired.map(({ name }) => Number(name));
    expect(names).toEqual(names.toSorted((one, other) => one - other));
  });

  it('is not there at all without a limit', () => {
    const { deadlines, expired } = noting(Infinity);
    deadlines.add(entry('patient'));
    expect(vi.getTimerCount()).toBe(0);
    expect(expired).toEqual([]);
  });
});
