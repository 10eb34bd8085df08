import { type MetricObject, type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';

/** A metric as a registry has it, more of which than the library's type says. */
type Collected = MetricObject & { get(): Promise<MetricObjectWithValues<MetricValue<string>>> };

/** The formats that a scraper may ask for. */
export type ExpositionFormat = 'text' | 'openmetrics';

export const contentTypes: Readonly<Record<ExpositionFormat, string>> = {
  text: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
};

/** All metrics of a registry as text. Rejects if a metric's own `collect` fails. */
export async function expose(registry: Registry, format: ExpositionFormat): Promise<string> {
  return format === 'text' ? registry.metrics() : openMetricsOf(registry).metrics();
}

/**
 * The same metrics for OpenMetrics, the registry and each metric behind an object of its own: when it writes that format, the library takes
 * `_total` off the names of counters for good, and the other format would go without from then on.
 */
function openMetricsOf(registry: Registry): Pick<Registry, 'metrics'> {
  const view: Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE> = Object.create(registry);
  view.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  view.getMetricsAsArray = () => registry.getMetricsAsArray().map(viewOf);
  return view;
}

function viewOf(metric: MetricObject): MetricObject {
  const view: Collected = Object.create(metric);
  // What was merged from several processes gives the name that it had there.
  view.get = async () => ({ ...(await (metric as Collected).get()), name: view.name });
  return view;
}
