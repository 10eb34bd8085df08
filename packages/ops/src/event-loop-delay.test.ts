import { monitorEventLoopDelay } from 'node:perf_hooks';
import { expect, it, vi } from 'vitest';
import { EventLoopDelay } from './event-loop-delay.js';

vi.mock('node:perf_hooks', () => ({ monitorEventLoopDelay: vi.fn() }));

/** What Node.js has measured, in milliseconds between two timers that were to be 20 apart. */
function measured(...intervals: number[]) {
  const histogram = {
    count: intervals.length,
    percentile: (percentile: number) => (intervals[Math.ceil((percentile / 100) * intervals.length) - 1] ?? 0) * 1e6,
    reset: vi.fn(),
    enable: vi.fn(),
    disable: vi.fn(),
  };
  vi.mocked(monitorEventLoopDelay).mockReturnValue(histogram as never);
  return histogram;
}

it('is what was over the time between two looks, and never less than nothing', () => {
  measured(19, 20, 21, 120);
  const delay = new EventLoopDelay();
  expect(delay.drain()).toEqual([0, 0, 1, 100]);
  expect(delay.latest).toEqual({ p50: 0, p99: 100, max: 100 });
  expect(monitorEventLoopDelay).toHaveBeenCalledWith({ resolution: 20 });
});

it('begins anew each time', () => {
  const histogram = measured(...Array.from({ length: 200 }, (_, index) => 21 + index));
  const delay = new EventLoopDelay();
  delay.drain();
  expect(delay.latest).toEqual({ p50: 100, p99: 198, max: 200 });
  expect(histogram.reset).toHaveBeenCalledTimes(1);
});

it('is nothing where nothing was measured', () => {
  measured();
  const delay = new EventLoopDelay();
  expect(delay.drain()).toEqual([]);
  expect(delay.latest).toEqual({ p50: 0, p99: 0, max: 0 });
});

it('stops looking when it is disposed', () => {
  const histogram = measured();
  const delay = new EventLoopDelay();
  expect(histogram.enable).toHaveBeenCalledTimes(1);
  delay.dispose();
  expect(histogram.disable).toHaveBeenCalledTimes(1);
});
