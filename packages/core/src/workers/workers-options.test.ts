import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { checkWorkers, type WorkersInput } from './workers-options.js';

const accept = checkWorkers(1).options.accept;

describe('the options of workers', () => {
  it('are a number, or as many as there are cores', () => {
    expect(checkWorkers(3)).toMatchObject({ options: { count: 3 }, problems: [] });
    expect(checkWorkers('auto')).toMatchObject({ options: { count: availableParallelism() }, problems: [] });
    expect(checkWorkers({ count: 'auto' })).toEqual(checkWorkers('auto'));
    expect(checkWorkers({})).toEqual(checkWorkers('auto'));
  });

  it('have defaults', () => {
    expect(checkWorkers(4).options).toEqual({
      count: 4,
      accept,
      maxRestarts: 10,
      within: 60_000,
      heartbeat: 10_000,
      startTimeout: 60_000,
    });
    expect(checkWorkers(32).options.maxRestarts).toBe(64);
  });

  it('can switch time limits off', () => {
    const { options, problems } = checkWorkers({ heartbeat: false, startTimeout: false });
    expect(options).toMatchObject({ heartbeat: Infinity, startTimeout: Infinity });
    expect(problems).toEqual([]);
  });

  it.each<[unknown, string, string]>([
    [0, 'workers.count', "expected a whole number of 1 or more or 'auto', received 0"],
    [1.5, 'workers.count', "expected a whole number of 1 or more or 'auto', received 1.5"],
    ['all', 'workers', "expected a number, 'auto' or options, received 'all'; leave it out for a single process"],
    [null, 'workers', "expected a number, 'auto' or options, received null; leave it out for a single process"],
    ['4', 'workers', "received '4'; turn it into a number with Number(); leave it out"],
    [{ heartbeet: 1_000 }, 'workers.heartbeet', 'is no option of it; did you mean heartbeat?'],
    [{ size: 2 }, 'workers.size', 'is no option of it; it has count, accept,'],
    [{ heartbeat: 499 }, 'workers.heartbeat', 'expected a whole number of 500 or more or false, received 499'],
    [
      { maxRestarts: '3' },
      'workers.maxRestarts',
      "expected a whole number of 0 or more, received '3'; turn it into a number with Number()",
    ],
    [{ within: false }, 'workers.within', 'expected a whole number of 1 or more, received false'],
    [{ accept: 'kernel' }, 'workers.accept', "expected 'reusePort' or 'shared', received 'kernel'"],
  ])('%j are refused', (input, path, message) => {
    expect(checkWorkers(input as WorkersInput).problems).toEqual([
      { where: 'bootstrap()', path, message: expect.stringContaining(message) },
    ]);
  });

  it.runIf(accept === 'shared')("of accept: 'reusePort' is refused where there is no such thing", () => {
    expect(checkWorkers({ accept: 'reusePort' }).problems).toMatchObject([{ path: 'workers.accept' }]);
  });

  it("take accept: 'shared' everywhere", () => {
    expect(checkWorkers({ accept: 'shared' })).toMatchObject({ options: { accept: 'shared' }, problems: [] });
  });
});
