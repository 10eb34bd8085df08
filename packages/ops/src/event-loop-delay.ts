import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** How often the event loop is looked at, in milliseconds. */
const RESOLUTION = 20;

/** How late the event loop came to its timers within a stretch of time, in milliseconds. */
export interface DelaySummary {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * How late the event loop comes to its timers: what a client waits before anything is done for it.
 *
 * Node.js measures the time between two timers, `RESOLUTION` apart if nothing holds them up; what is over that is the delay.
 */
export class EventLoopDelay {
  readonly #histogram: IntervalHistogram;
  #latest: DelaySummary = { p50: 0, p99: 0, max: 0 };

  constructor(monitor: typeof monitorEventLoopDelay = monitorEventLoopDelay) {
    this.#histogram = monitor({ resolution: RESOLUTION });
    this.#histogram.enable();
  }

  /** What `drain` found last. */
  get latest(): DelaySummary {
    return this.#latest;
  }

  /** The delays since the last call, in milliseconds, the smallest first. */
  drain(): number[] {
    const { count } = this.#histogram;
    const delays: number[] = [];
    for (let rank = 1; rank <= count; rank++) delays.push(this.#delayAt((100 * rank) / count));
    this.#histogram.reset();
    this.#latest = { p50: quantile(delays, 0.5), p99: quantile(delays, 0.99), max: quantile(delays, 1) };
    return delays;
  }

  dispose(): void {
    this.#histogram.disable();
  }

  #delayAt(percentile: number): number {
    return Math.max(0, this.#histogram.percentile(percentile) / 1e6 - RESOLUTION);
  }
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0;
}
