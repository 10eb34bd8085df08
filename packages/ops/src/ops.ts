import { type DependencyContainer, type DynamicModule, Module, StateError } from '@reagent/core';
import { Registry } from 'prom-client';
import { OpsServer } from './ops-server.js';
import { checkOptions, OpsOptions } from './options.js';
import { serve } from './serve.js';

/**
 * Serves an application's metrics, health and a live page over HTTP, on a port of their own. Where there are workers, their supervisor
 * serves them for all.
 *
 * | path | |
 * |---|---|
 * | `/` | the page |
 * | `/metrics` | for Prometheus, as text or OpenMetrics |
 * | `/healthz` | 200 as long as the process serves |
 * | `/readyz` | 200 while all listeners listen, 503 otherwise |
 * | `/stats.json` | the figures of the page |
 *
 * @example
 * ```ts
 * @Module({ imports: [Ops.forRoot({ port: 9464 })], reagents: [Echo] })
 * class AppModule {}
 * ```
 */
@Module({
  providers: [
    { token: OpsOptions, useFactory: withoutOptions, process: 'all' },
    { token: Registry, useFactory: () => new Registry(), process: 'all' },
    { token: OpsServer, useFactory: (container: DependencyContainer) => serve(container), process: 'all' },
  ],
})
// biome-ignore lint/complexity/noStaticOnlyClass: a module is a class, and this one has options
export class Ops {
  /**
   * The module with its options, for `imports`. First in the list, it is up before other providers are made, and answers until they
   * have been disposed.
   *
   * @throws ConfigurationError with all that is wrong with the options
   */
  static forRoot(options: OpsOptions): DynamicModule {
    checkOptions(options);
    return { module: Ops, providers: [{ token: OpsOptions, useValue: options, process: 'all' }] };
  }
}

function withoutOptions(): never {
  throw new StateError('Ops is imported without options; import Ops.forRoot({ port: 9464 })');
}
