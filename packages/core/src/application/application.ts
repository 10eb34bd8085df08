import type { Constructor, Token } from '../decorators/metadata.js';
import type { DescriptorInput } from '../descriptor/descriptor.js';
import type { Listener, StopOptions } from '../listener/listener.js';
import type { ApplicationStatistics } from '../telemetry/statistics.js';

/** Which of an application's workers a process is. */
export interface WorkerIdentity {
  /** From 1 to the number of workers. The worker that replaces another one has its number. */
  readonly id: number;
}

/**
 * A running application: what `bootstrap` and `start` give, and the token under which it is injected into providers and reagents.
 *
 * While providers are made it has no listeners yet.
 */
export abstract class Application implements AsyncDisposable {
  /** The listeners that have not stopped, in the order in which they were bound. */
  abstract readonly listeners: readonly Listener[];

  /** Which worker this process is, where the application has workers; `undefined` in their supervisor, and without workers. */
  abstract readonly worker: WorkerIdentity | undefined;

  /** Resolves when the application has stopped; never rejects. */
  abstract readonly closed: Promise<void>;

  /**
   * The listener of that name, or of that reagent class; the first one, where a class has several.
   *
   * @throws StateError if there is none; its message lists those there are.
   */
  abstract listener(nameOrClass: string | Constructor): Listener;

  /** What the application's container has for a token. */
  abstract resolve<T>(token: Token<T>): T;

  /**
   * Starts one more listener, which stops with the application or by `listener.stop()`.
   *
   * @param descriptor what the class's own descriptor leaves out, or is to say otherwise
   * @throws ConfigurationError, ProviderError, ListenError; StateError once the application is stopping
   */
  abstract start(reagent: Constructor, descriptor?: DescriptorInput): Promise<Listener>;

  /** Suspends all listeners: no new connections, the open ones go on. */
  abstract suspend(): Promise<void>;

  /** Resumes all listeners, on the same ports. */
  abstract resume(): Promise<void>;

  /**
   * Reads the files of all certificates and keys again, as SIGHUP does. Open connections go on.
   *
   * @throws ConfigurationError with all that is wrong; where something is, the old certificates stay in use
   */
  abstract reload(): Promise<void>;

  /**
   * Stops all listeners (no new connections, `@OnShutdown` of each open one, then waiting for them until the timeout, then resets)
   * and disposes the providers. Safe to call twice; a second call may shorten the time.
   *
   * @throws AggregateError of what `dispose()` methods threw; all of them are called nevertheless
   */
  abstract stop(options?: StopOptions): Promise<void>;

  abstract stats(): ApplicationStatistics;

  /** `stop()`, for `await using`. */
  abstract [Symbol.asyncDispose](): Promise<void>;
}
