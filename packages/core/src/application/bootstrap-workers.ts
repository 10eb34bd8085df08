import type { ModuleImport } from '../decorators/module.js';
import { stderrLogger } from '../telemetry/logger.js';
import { WorkerLink } from '../workers/worker-link.js';
import { workerLogger } from '../workers/worker-logger.js';
import type { WorkersInput } from '../workers/workers-options.js';
import type { Application } from './application.js';
import type { BootstrapOptions } from './bootstrap-options.js';
import { readModules } from './modules.js';
import type { RunningApplication } from './running-application.js';
import { serve } from './serve.js';
import { leaveSignalsToSupervisor, obeySignals, startObedient, stopAll } from './signals.js';
import { supervise } from './supervise.js';
import type { SupervisedApplication } from './supervised-application.js';

type ServeOptions = Omit<BootstrapOptions, 'workers'>;

/** Starts an application with workers: in the first process as their supervisor, in those that it has started as one of them. */
export async function bootstrapWorkers(
  module: ModuleImport,
  workers: WorkersInput,
  options: ServeOptions,
): Promise<Application> {
  const link = await WorkerLink.join();
  if (link !== undefined) return work(module, options, link);
  if (options.signals === false) return supervise(module, workers, options, () => {});
  return startObedient<SupervisedApplication>((begun) => supervise(module, workers, options, begun));
}

/** Serves as a worker. What goes wrong at the start is the supervisor's to say; this process ends then. */
async function work(
  module: ModuleImport,
  { logger = stderrLogger(), ...options }: ServeOptions,
  link: WorkerLink,
): Promise<Application> {
  const { signals = true } = options;
  if (signals) leaveSignalsToSupervisor();
  let application: RunningApplication;
  try {
    application = await serve(
      module,
      { ...options, logger: workerLogger(logger, link.id) },
      { binder: link.binder, worker: { id: link.id } },
    );
  } catch (error) {
    return link.fail(error);
  }
  if (signals) {
    obeySignals(application);
    // As a signal would: what else this process serves must not keep it.
    void application.stopping.then(stopAll);
  }
  const { reagents } = readModules(module);
  link.serve(application, (listener) => {
    const reagent = application.reagentOf(listener);
    return reagent === undefined ? -1 : reagents.indexOf(reagent);
  });
  return application;
}
