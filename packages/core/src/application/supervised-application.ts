import type { Constructor, Token } from '../decorators/metadata.js';
import { StateError } from '../errors.js';
import type { Listener, StopOptions } from '../listener/listener.js';
import type { Logger } from '../telemetry/logger.js';
import { type ApplicationStatistics, sumConnections } from '../telemetry/statistics.js';
import type { InjectionToken } from '../tsyringe.js';
import type { Supervisor } from '../workers/supervisor.js';
import { WorkersListener } from '../workers/workers-listener.js';
import { Application } from './application.js';
import type { ProviderSet } from './container.js';
import { tokenName } from './injection.js';
import { missingListener, missingProviders } from './missing.js';

/**
 * An application whose workers serve: what it is in their supervisor. It can be injected there, so it is there before the providers and
 * the workers are.
 */
export class SupervisedApplication extends Application {
  readonly worker = undefined;
  readonly #supervisor: Supervisor;
  #reagents: readonly Constructor[] = [];
  #made: ProviderSet | undefined;
  readonly #listeners = new Map<string, WorkersListener>();
  #stopped: Promise<void> | undefined;
  #tellClosed: () => void = () => undefined;
  readonly closed = new Promise<void>((resolve) => {
    this.#tellClosed = resolve;
  });

  constructor(supervisor: Supervisor) {
    super();
    this.#supervisor = supervisor;
    void supervisor.over.then(() => this.#gaveUp());
  }

  /**
   * From now on it has the providers of this process, which it disposes when it stops.
   *
   * @param reagents those that the modules list, in the order in which workers read them too
   */
  equip(providers: ProviderSet, reagents: readonly Constructor[]): void {
    this.#made = providers;
    this.#reagents = reagents;
    // One of them has stopped it while they were made.
    this.#stopped = this.#stopped?.finally(() => providers.dispose());
  }

  get logger(): Logger {
    return this.#supervisor.logger;
  }

  get listeners(): readonly Listener[] {
    return this.#supervisor.facts.map((facts) => {
      const known = this.#listeners.get(facts.name);
      if (known !== undefined) return known;
      const listener = new WorkersListener(this.#supervisor, facts);
      this.#listeners.set(facts.name, listener);
      return listener;
    });
  }

  listener(nameOrClass: string | Constructor): Listener {
    const facts = this.#supervisor.facts.find(({ name, reagent }) =>
      typeof nameOrClass === 'string' ? name === nameOrClass : this.#reagents[reagent] === nameOrClass,
    );
    const found = this.listeners.find(({ name }) => name === facts?.name);
    if (found === undefined) throw missingListener(nameOrClass, this.listeners);
    return found;
  }

  resolve<T>(token: Token<T>): T {
    if (this.#made === undefined) throw missingProviders();
    const { container } = this.#made;
    // tsyringe takes abstract classes as tokens; only its type does not say so.
    const known = token as InjectionToken<T>;
    if (container.isRegistered(known, true)) return container.resolve(known);
    throw new StateError(
      `the supervisor has no ${tokenName(token)}: providers are made in each worker, unless they say process: 'supervisor' or 'all'; app.worker tells whether this process is one`,
    );
  }

  async start(): Promise<Listener> {
    throw new StateError(
      'the supervisor serves nothing: start it in the workers, where app.worker is not undefined, or here with start(), as an application of its own',
    );
  }

  suspend(): Promise<void> {
    return this.#supervisor.suspend(this.#names);
  }

  resume(): Promise<void> {
    return this.#supervisor.resume(this.#names);
  }

  reload(): Promise<void> {
    return this.#supervisor.reload();
  }

  stop(options?: StopOptions): Promise<void> {
    if (this.#stopped === undefined) this.#stopped = this.#stop(options);
    // The first stop drains; a later one may shorten the time. What goes wrong, the first one tells.
    else if (options?.timeout !== undefined) this.#supervisor.stop(options).catch(() => {});
    return this.#stopped;
  }

  async #stop(options: StopOptions | undefined): Promise<void> {
    const [stopped] = await Promise.allSettled([this.#supervisor.stop(options)]);
    const [disposed] = await Promise.allSettled([this.#dispose()]);
    const errors = [stopped, disposed].flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    if (errors.length > 1) throw new AggregateError(errors, 'the application did not stop cleanly');
    if (errors.length === 1) throw errors[0];
  }

  /** Workers have died too often, and the supervisor has stopped without being asked. */
  #gaveUp(): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = this.#dispose();
    this.#stopped.catch((error: unknown) => {
      this.logger.error({ err: error }, 'the application did not stop cleanly');
    });
  }

  async #dispose(): Promise<void> {
    try {
      await this.#made?.dispose();
    } finally {
      this.#tellClosed();
    }
  }

  /** Ends the workers at once. */
  kill(): void {
    this.#supervisor.kill();
  }

  stats(): ApplicationStatistics {
    const listeners = Object.fromEntries(this.listeners.map((listener) => [listener.name, listener.stats()]));
    return { listeners, connections: sumConnections(Object.values(listeners)), workers: this.#supervisor.workers };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  get #names(): string[] {
    return this.#supervisor.facts.map(({ name }) => name);
  }
}
