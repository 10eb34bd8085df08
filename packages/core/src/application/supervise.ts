import cluster from 'node:cluster';
import { isMainThread } from 'node:worker_threads';
import type { ModuleImport } from '../decorators/module.js';
import { ListenError, type Problem, StateError } from '../errors.js';
import { bindTarget } from '../listener/binding.js';
import { Logger, stderrLogger } from '../telemetry/logger.js';
import { describeTarget } from '../transport/bind.js';
import { container as globalContainer, type InjectionToken } from '../tsyringe.js';
import { Supervisor } from '../workers/supervisor.js';
import { checkWorkers, type WorkersInput } from '../workers/workers-options.js';
import { Application } from './application.js';
import { loadTls, readBlueprint, refuse } from './blueprint.js';
import type { BootstrapOptions } from './bootstrap-options.js';
import { makeProviders } from './container.js';
import type { DescribedReagent } from './descriptors.js';
import type { ProvidedValues } from './injection.js';
import { SupervisedApplication } from './supervised-application.js';

/** The one that this process has, until its workers are gone. */
let supervising: SupervisedApplication | undefined;

/**
 * Starts an application in worker processes, which this process supervises: all of it, or nothing.
 *
 * @param begun is called as soon as there is an application that can be stopped
 */
export async function supervise(
  module: ModuleImport,
  workers: WorkersInput,
  {
    logger = stderrLogger(),
    overrides = {},
    container: parent = globalContainer,
    ...options
  }: Omit<BootstrapOptions, 'workers'>,
  begun: (application: SupervisedApplication) => void,
): Promise<SupervisedApplication> {
  requireFirstProcess();
  const checked = checkWorkers(workers);
  const supervisor = new Supervisor(checked.options, logger);
  const application = new SupervisedApplication(supervisor);
  const values: ProvidedValues = [
    [Logger as InjectionToken<unknown>, logger],
    [Application as InjectionToken<unknown>, application],
  ];
  const { providers, context, reagents, early, problems } = readBlueprint(
    module,
    'supervisor',
    overrides,
    { parent, values },
    loadTls(options.secure),
  );
  refuse([...checked.problems, ...listenProblems(options), ...problems]);

  begun(application);
  supervising = application;
  void application.closed.then(() => {
    supervising = undefined;
  });
  try {
    application.equip(await makeProviders(providers, context), reagents);
    // A port that is taken is found before there is a process for it.
    if (early.complete) await prepare(supervisor, early.described);
    await supervisor.start();
  } catch (error) {
    await application.stop({ timeout: 0 }).catch((failure: unknown) => {
      // What failed first is what the caller has to know.
      logger.error({ err: failure }, 'and what had been started could not be stopped cleanly');
    });
    throw error;
  }
  return application;
}

async function prepare(supervisor: Supervisor, described: readonly DescribedReagent[]): Promise<void> {
  for (const { descriptor } of described) {
    const target = bindTarget(descriptor);
    try {
      await supervisor.prepare(descriptor.name, target);
    } catch (error) {
      throw new ListenError(descriptor.name, describeTarget(target), error as Error);
    }
  }
}

function listenProblems({ listen }: BootstrapOptions): Problem[] {
  if (listen !== false) return [];
  const message = 'workers have to listen, or nobody could reach them; leave out listen, or workers';
  return [{ where: 'bootstrap()', path: 'listen', message }];
}

/** Main files of programs that run tests, and whatever imports this in them. */
const testRunners = /[\\/]node_modules[\\/](vitest|tinypool|jest-[a-z-]+)[\\/]/;

/** @throws StateError in a process that cannot have workers */
function requireFirstProcess(): void {
  if (supervising !== undefined) {
    throw new StateError(
      'an application of this process has workers already: only one can, as all of them run the main file',
    );
  }
  if (cluster.isWorker) {
    throw new StateError(
      'this process is a worker already, of another application or of a process manager such as pm2: leave out workers here',
    );
  }
  if (!isMainThread) throw new StateError('workers are processes, which only the main thread can start');
  const main = cluster.settings.exec ?? process.argv[1];
  if (main === undefined || main === '-') {
    throw new StateError('workers run the main file again, and there is none: start the program as `node main.js`');
  }
  if (testRunners.test(main)) {
    throw new StateError(
      `workers would run ${main} again, which runs tests: leave out workers in tests, or start the program as a process of its own`,
    );
  }
}
