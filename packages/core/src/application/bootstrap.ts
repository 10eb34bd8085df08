import { type DependencyContainer, container as globalContainer, type InjectionToken } from 'tsyringe';
import type { Constructor } from '../decorators/metadata.js';
import { Module, type ModuleImport } from '../decorators/module.js';
import { checkTlsOptions } from '../descriptor/check.js';
import type { DescriptorInput } from '../descriptor/descriptor.js';
import { ConfigurationError, type Problem, StateError } from '../errors.js';
import { Logger, stderrLogger } from '../telemetry/logger.js';
import { ownBinder } from '../transport/binder.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';
import { TlsTerminator } from '../transport/tls/tls-terminator.js';
import { Application } from './application.js';
import { makeProviders } from './container.js';
import { type ApplicationTls, type DescriptorOverrides, describeReagents, requireReagent } from './descriptors.js';
import { type InjectionContext, injectionProblems, type ProvidedValues } from './injection.js';
import { readModules } from './modules.js';
import { RunningApplication } from './running-application.js';
import { obeySignals } from './signals.js';

export interface BootstrapOptions {
  /** Any object with pino's methods. Default: one readable line an event on stderr, from level info on. */
  readonly logger?: Logger | undefined;
  /** The TLS options that `secure: true` in a descriptor, and `conn.startTls()`, stand for. Default: none. */
  readonly secure?: TlsOptions | undefined;
  /**
   * Whether listeners bind their addresses. Without, they serve only what `listener.accept()` is given: sockets that were accepted
   * elsewhere, or connections in the memory of a test. Default: `true`.
   */
  readonly listen?: boolean | undefined;
  /** What is to be different from the descriptors in the code, by listener name. Default: nothing. */
  readonly overrides?: DescriptorOverrides | undefined;
  /**
   * Whether SIGTERM and SIGINT stop the application, a second one of them ends the process at once, and SIGHUP has it `reload()`.
   * Default: `true`.
   */
  readonly signals?: boolean | undefined;
  /** The container that the application's own is made in: what is registered there can be injected. Default: tsyringe's global one. */
  readonly container?: DependencyContainer | undefined;
}

/**
 * Starts an application: checks all of it, makes its providers and reagents, binds its listeners, and then serves.
 *
 * Nothing is half-started: if anything fails, what was bound is released and what was made is disposed.
 *
 * @example
 * ```ts
 * const app = await bootstrap(AppModule, { overrides: { Echo: { port: 0 } } });
 * console.log(app.listener('Echo').port);
 * await app.stop();
 * ```
 *
 * @throws ConfigurationError (all that is wrong, in one report), ProviderError, ListenError
 */
export async function bootstrap(module: ModuleImport, options: BootstrapOptions = {}): Promise<Application> {
  requireKnown(options);
  const { logger = stderrLogger(), overrides = {}, signals = true, container: parent = globalContainer } = options;
  const { providers, reagents, problems } = readModules(module);
  const secure = loadTls(options.secure);
  const application = new RunningApplication(
    logger,
    secure.tls === 'faulty' ? undefined : secure.tls,
    options.listen === false ? undefined : ownBinder,
  );
  const values: ProvidedValues = [
    [Logger as InjectionToken<unknown>, logger],
    [Application as InjectionToken<unknown>, application],
  ];
  const context: InjectionContext = { parent, values };
  const early = describeReagents(reagents, overrides, undefined, secure.tls);
  refuse([...problems, ...secure.problems, ...injectionProblems(providers, reagents, context), ...early.problems]);

  const made = await makeProviders(providers, context);
  application.equip(made);
  try {
    const { described, problems: late } = early.complete
      ? early
      : describeReagents(reagents, overrides, made.container, secure.tls);
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
  if (signals) {
    const release = obeySignals(application);
    void application.closed.then(release);
  }
  return application;
}

/**
 * Starts one reagent without a module. Its descriptor may be completed or changed here.
 *
 * @example
 * ```ts
 * const app = await start(Echo, { port: 8080 });
 * await app.stop();
 * ```
 *
 * @throws ConfigurationError, ProviderError, ListenError
 */
export async function start(
  reagent: Constructor,
  descriptor: DescriptorInput = {},
  options: Omit<BootstrapOptions, 'overrides'> = {},
): Promise<Application> {
  requireReagent(reagent);
  @Module({ reagents: [reagent] })
  class StartModule {}
  return bootstrap(StartModule, { ...options, overrides: () => descriptor });
}

/** Checks the TLS options of the application, and reads the certificates they name. */
function loadTls(options: TlsOptions | undefined): { tls: ApplicationTls; problems: readonly Problem[] } {
  if (options === undefined) return { tls: undefined, problems: [] };
  const checked = checkTlsOptions('secure', options);
  const loaded = 'problems' in checked ? checked : TlsTerminator.load(checked.options, 'secure');
  if ('terminator' in loaded) return { tls: loaded.terminator, problems: [] };
  return { tls: 'faulty', problems: loaded.problems.map((problem) => ({ where: 'bootstrap()', ...problem })) };
}

const knownOptions: readonly string[] = [
  'logger',
  'secure',
  'listen',
  'overrides',
  'signals',
  'container',
] satisfies (keyof BootstrapOptions)[];

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

function requireKnown(options: BootstrapOptions): void {
  const missing = levels.filter((level) => typeof options.logger?.[level] !== 'function');
  if (options.logger !== undefined && missing.length > 0) {
    throw new StateError(
      `the logger has no method ${missing.join(', ')}; it needs ${levels.join(', ')}, as pino's has`,
    );
  }
  const unknown = Object.keys(options).filter((key) => !knownOptions.includes(key));
  if (unknown.length > 0)
    throw new StateError(`bootstrap has no option ${unknown.join(', ')}; it has ${knownOptions.join(', ')}`);
}

function refuse(problems: ConfigurationError['problems']): void {
  if (problems.length > 0) throw new ConfigurationError(problems);
}
