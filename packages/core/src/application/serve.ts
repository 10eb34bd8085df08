import type { ModuleImport } from '../decorators/module.js';
import { Logger, stderrLogger } from '../telemetry/logger.js';
import { type Binder, ownBinder } from '../transport/binder.js';
import { container as globalContainer, type InjectionToken } from '../tsyringe.js';
import { Application, type WorkerIdentity } from './application.js';
import { loadTls, readBlueprint, refuse } from './blueprint.js';
import type { BootstrapOptions } from './bootstrap-options.js';
import { makeProviders } from './container.js';
import { describeReagents } from './descriptors.js';
import type { ProvidedValues } from './injection.js';
import { RunningApplication } from './running-application.js';

/** What of an application is the process's that serves it. */
export interface ServingProcess {
  /** Who binds the addresses. Default: this process. */
  readonly binder?: Binder;
  readonly worker?: WorkerIdentity;
  /** Is called as soon as there is an application that can be stopped. */
  readonly begun?: (application: RunningApplication) => void;
}

/** Starts an application in this process: all of it, or nothing. */
export async function serve(
  module: ModuleImport,
  { logger = stderrLogger(), overrides = {}, container: parent = globalContainer, ...options }: BootstrapOptions,
  { binder = ownBinder, worker, begun }: ServingProcess = {},
): Promise<RunningApplication> {
  const secure = loadTls(options.secure);
  const { tls } = secure;
  const application = new RunningApplication(
    logger,
    tls === 'faulty' ? undefined : tls,
    options.listen === false ? undefined : binder,
    worker,
  );
  const values: ProvidedValues = [
    [Logger as InjectionToken<unknown>, logger],
    [Application as InjectionToken<unknown>, application],
  ];
  const kind = worker === undefined ? undefined : 'worker';
  const { providers, context, reagents, early, problems } = readBlueprint(
    module,
    kind,
    overrides,
    { parent, values },
    secure,
  );
  refuse(problems);

  begun?.(application);
  const made = await makeProviders(providers, context);
  application.equip(made);
  try {
    const { described, problems: late } = early.complete
      ? early
      : describeReagents(reagents, overrides, made.container, tls);
    refuse(late);
    if (described.length === 0) logger.warn('nothing listens: no module of the application lists a reagent');
    await application.startAll(described);
  } catch (error) {
    await application.stop({ timeout: 0 }).catch((failure: unknown) => {
      // What failed first is what the caller has to know.
      logger.error({ err: failure }, 'and what had been made could not be disposed');
    });
    throw error;
  }
  return application;
}
