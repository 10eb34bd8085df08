import type { Constructor } from '../decorators/metadata.js';
import { Module, type ModuleImport } from '../decorators/module.js';
import type { DescriptorInput } from '../descriptor/descriptor.js';
import type { Application } from './application.js';
import { type BootstrapOptions, requireKnown } from './bootstrap-options.js';
import { bootstrapWorkers } from './bootstrap-workers.js';
import { requireReagent } from './descriptors.js';
import type { RunningApplication } from './running-application.js';
import { serve } from './serve.js';
import { startObedient } from './signals.js';

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
  const { workers, ...others } = options;
  if (workers !== undefined) return bootstrapWorkers(module, workers, others);
  if (options.signals === false) return serve(module, others);
  return startObedient<RunningApplication>((begun) => serve(module, others, { begun }));
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
