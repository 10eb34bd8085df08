import { AggregatorRegistry, Registry } from 'prom-client';
import type { Metrics } from '../workers/messages.js';
import type { WorkerMetricsReport } from '../workers/worker-survey.js';

/**
 * The metrics of all processes in one registry: those of workers with the label `worker`, so that a scraper sees each begin anew when its process
 * does, and adds up what there is to be added up. While one worker replaces another there are two of one number, which count as one.
 *
 * @param own those of this process
 */
export function merge(own: Metrics, workers: readonly WorkerMetricsReport[]): Registry {
  const labelled = workers.map(({ worker, metrics }) =>
    metrics.map((metric) => ({
      ...metric,
      values: metric.values.map((value) => ({ ...value, labels: { worker: String(worker), ...value.labels } })),
    })),
  );
  return AggregatorRegistry.aggregate([own, ...labelled].map((metrics) => metrics.map(kept)));
}

/** The library would leave out what cannot be added up, such as the time when a process was started. */
function kept(metric: Metrics[number]): Metrics[number] {
  return metric.aggregator === 'omit' ? { ...metric, aggregator: 'first' } : metric;
}
