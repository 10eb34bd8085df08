import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';

/**
 * What the library measures and is left out: the delay of the event loop, into which it counts the 10 ms between two looks, and which it
 * starts anew with each scrape, so that two scrapers take it from each other; and gauges with the suffix of a counter, which Prometheus'
 * own rules forbid (`nodejs_active_resources` has the same by type).
 */
const leftOut = /^nodejs_eventloop_lag_|^nodejs_active_\w+_total$/;

/** So seldom, in milliseconds, that it never happens. */
const NEVER = 2_147_483_647;

let metrics: readonly Metric[] | undefined;

/**
 * Registers what concerns the process: CPU time, memory, file descriptors, garbage collection. These are made once and shared by all
 * registries of the process, as the library's observers cannot be stopped.
 */
export function registerProcessMetrics(registry: Registry): void {
  metrics ??= collectProcessMetrics();
  for (const metric of metrics) registry.registerMetric(metric);
}

function collectProcessMetrics(): Metric[] {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER });
  return registry
    .getMetricsAsArray()
    .filter(({ name }) => !leftOut.test(name))
    .flatMap(({ name }) => registry.getSingleMetric(name) ?? []);
}
