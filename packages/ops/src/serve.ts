import { isIPv6 } from 'node:net';
import {
  Application,
  bootstrap,
  type DependencyContainer,
  type InjectionToken,
  Logger,
  Module,
  StateError,
  type WorkerIdentity,
} from '@reagent/core';
import { Registry } from 'prom-client';
import { OpsEndpoint } from './endpoint.js';
import { ApplicationMetrics } from './metrics/application-metrics.js';
import { delayMetric } from './metrics/delay-metric.js';
import { expose } from './metrics/exposition.js';
import { merge } from './metrics/merge.js';
import { registerProcessMetrics } from './metrics/process-metrics.js';
import { OpsServer } from './ops-server.js';
import { checkOptions, OpsOptions } from './options.js';
import { loadPage } from './page.js';
import { Recorder } from './recorder.js';
import { Reporter } from './report.js';
import { Routes } from './routes.js';
import { WorkerPost } from './workers/worker-post.js';
import { WorkerSurvey } from './workers/worker-survey.js';

/** Milliseconds that answers which are on their way have when the endpoint stops. */
const STOP_TIMEOUT = 1_000;

@Module({ reagents: [OpsEndpoint] })
class EndpointModule {}

/**
 * Serves the operations of the application that a container belongs to.
 *
 * The endpoint is a reagent in an application of its own, which this one makes and disposes as it does any provider: so it answers
 * before the first listener is bound, while they are suspended, and until the last has drained.
 *
 * In a worker process it serves nothing, but has its figures ready for the supervisor: one port is for one process, and only that one
 * knows of all workers.
 *
 * @throws ConfigurationError, ListenError
 */
export async function serve(container: DependencyContainer): Promise<OpsServer> {
  // Abstract classes serve as tokens too; tsyringe's type does not say so.
  const application = container.resolve(Application as InjectionToken<Application>);
  if (application.worker !== undefined) return reportTo(application.worker, container.resolve<Registry>(Registry));
  const logger = container.resolve(Logger as InjectionToken<Logger>);
  const registry = container.resolve<Registry>(Registry);
  const { port, host, path, title } = checkOptions(container.resolve(OpsOptions as InjectionToken<OpsOptions>));

  const survey = application.stats().workers === undefined ? undefined : new WorkerSurvey();
  const metrics = new ApplicationMetrics(application, registry);
  registerProcessMetrics(registry);
  const recorder = new Recorder(application, delayMetric(registry), survey);
  const reporter = new Reporter(application, recorder, title, survey);
  const routes = new Routes(
    {
      page: loadPage(),
      readiness: () => reporter.readiness,
      report: (since) => reporter.report(since),
      metrics: async (format) => {
        // Before the application's own are taken over, so that all are of one moment, or nearly.
        const ofWorkers = await survey?.metrics();
        metrics.update();
        return expose(ofWorkers === undefined ? registry : merge(await registry.getMetricsAsJSON(), ofWorkers), format);
      },
    },
    path,
    logger,
  );
  try {
    const endpoint = await bootstrap(
      { module: EndpointModule, providers: [{ token: Routes, useValue: routes }] },
      { logger, signals: false, overrides: { Ops: { port, host } } },
    );
    const server = new EndpointServer(endpoint, [recorder, ...(survey === undefined ? [] : [survey])], path);
    logger.info({ url: server.url }, 'metrics, health and the page are served');
    return server;
  } catch (error) {
    recorder.dispose();
    survey?.dispose();
    throw error;
  }
}

function reportTo({ id }: WorkerIdentity, registry: Registry): OpsServer {
  registerProcessMetrics(registry);
  return new WorkerServer(new WorkerPost(id, registry, delayMetric(registry)));
}

/** A worker's, which serves nothing itself. */
class WorkerServer extends OpsServer {
  readonly #post: WorkerPost;

  constructor(post: WorkerPost) {
    super();
    this.#post = post;
  }

  get port(): never {
    throw new StateError('operations are not served by worker processes, but by their supervisor');
  }

  get url(): never {
    return this.port;
  }

  async dispose(): Promise<void> {
    this.#post.dispose();
  }
}

class EndpointServer extends OpsServer {
  readonly #endpoint: Application;
  readonly #parts: readonly { dispose(): void }[];
  readonly port: number;
  readonly url: string;

  /** @param parts what is disposed when nothing asks any more */
  constructor(endpoint: Application, parts: readonly { dispose(): void }[], path: string) {
    super();
    this.#endpoint = endpoint;
    this.#parts = parts;
    const { address, port } = endpoint.listener(OpsEndpoint);
    this.port = port;
    this.url = `http://${isIPv6(address) ? `[${address}]` : address}:${port}${path}/`;
  }

  async dispose(): Promise<void> {
    await this.#endpoint.stop({ timeout: STOP_TIMEOUT });
    for (const part of this.#parts) part.dispose();
  }
}
