import { type Constructor, nameOf, type Token } from '../decorators/metadata.js';
import { StateError } from '../errors.js';
import type { Listener, StopOptions } from '../listener/listener.js';
import type { Logger } from '../telemetry/logger.js';
import { type ApplicationStatistics, sumConnections } from '../telemetry/statistics.js';
import type { Supervisor } from '../workers/supervisor.js';
import { WorkersListener } from '../workers/workers-listener.js';
import { Application } from './application.js';
import { thereAre } from './descriptors.js';

/** An application whose workers serve: what it is in their supervisor. */
export class SupervisedApplication extends Application {
  readonly worker = undefined;
  readonly #supervisor: Supervisor;
  readonly #reagents: readonly Constructor[];
  readonly #listeners = new Map<string, WorkersListener>();

  /** @param reagents those that the modules list, in the order in which workers read them too */
  constructor(supervisor: Supervisor, reagents: readonly Constructor[]) {
    super();
    this.#supervisor = supervisor;
    this.#reagents = reagents;
  }

  get closed(): Promise<void> {
    return this.#supervisor.over;
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
    if (found !== undefined) return found;
    const asked = typeof nameOrClass === 'function' ? `of ${nameOf(nameOrClass)}` : `named ${String(nameOrClass)}`;
    throw new StateError(`there is no listener ${asked}; ${thereAre(this.listeners.map(({ name }) => name))}`);
  }

  resolve<T>(_token: Token<T>): T {
    throw new StateError(
      'the supervisor has no providers, which are made in each worker: app.worker tells whether this process is one',
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
    return this.#supervisor.stop(options);
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
