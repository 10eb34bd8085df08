import { expect, it, vi } from 'vitest';
import { EventLoopDelay } from './event-loop-delay.js';

/** A delay of which Node.js has measured that, in milliseconds between two timers that were to be 20 apart. */
function measured(...intervals: number[]) {
  const histogram = {
    count: intervals.length,
    percentile: (percentile: number) => (intervals[Math.ceil((percentile / 100) * intervals.length) - 1] ?? 0) * 1e6,
    reset: vi.fn(),
    enable: vi.fn(),
    disable: vi.fn(),
  };
  const monitor = vi.fn(() => histogram as never);
  return { histogram, monitor, delay: new EventLoopDelay(monitor) };
}

it('is what was over the time between two looks, and never less than nothing', () => {
  const { delay, monitor } = measured(19, 20, 21, 120);
  expect(delay.drain()).toEqual([0, 0, 1, 100]);
  expect(delay.latest).toEqual({ p50: 0, p99: 100, max: 100 });
  expect(monitor).toHaveBeenCalledWith({ resolution: 20 });
});

it('begins anew each time', () => {
  const { delay, histogram } = measured(...Array.from({ length: 200 }, (_, index) => 21 + index));
  delay.drain();
  expect(delay.latest).toEqual({ p50: 100, p99: 198, max: 200 });
  expect(histogram.reset).toHaveBeenCalledTimes(1);
});

it('is nothing where nothing was measured', () => {
  const { delay } = measured();
  expect(delay.drain()).toEqual([]);
  expect(delay.latest).toEqual({ p50: 0, p99: 0, max: 0 });
});

it('stops looking when it is disposed', () => {
  const { delay, histogram } = measured();
  expect(histogram.enable).toHaveBeenCalledTimes(1);
  delay.dispose();
  expect(histogram.disable).toHaveBeenCalledTimes(1);
});
