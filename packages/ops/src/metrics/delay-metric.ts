import { Histogram, type Registry } from 'prom-client';

/** Upper bounds, in seconds. Up to a few milliseconds is what a loop that has something to do has anyway. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Adds the delay of this process's event loop to a registry, and gives the function to tell each delay to, in seconds. */
export function delayMetric(registry: Registry): (seconds: number) => void {
  const histogram = new Histogram({
    name: 'reagent_event_loop_delay_seconds',
    help: 'How late the event loop came to its timers.',
    buckets,
    registers: [registry],
  });
  return (seconds) => histogram.observe(seconds);
}
