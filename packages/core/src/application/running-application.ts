import type { Constructor, Token } from '../decorators/metadata.js';
import type { DescriptorInput } from '../descriptor/descriptor.js';
import { ConfigurationError, StateError } from '../errors.js';
import type { Listener, StopOptions } from '../listener/listener.js';
import { ListenerPool } from '../listener/listener-pool.js';
import { connectionOwners, type Owners, singletonOwner } from '../listener/owners.js';
import { SocketListener } from '../listener/socket-listener.js';
import type { Logger } from '../telemetry/logger.js';
import { type ApplicationStatistics, sumConnections } from '../telemetry/statistics.js';
import type { Binder } from '../transport/binder.js';
import type { TlsTerminator } from '../transport/tls/tls-terminator.js';
import type { InjectionToken } from '../tsyringe.js';
import { Application, type WorkerIdentity } from './application.js';
import { Certificates } from './certificates.js';
import type { ProviderSet } from './container.js';
import { type DescribedReagent, describeReagents, requireReagent } from './descriptors.js';
import { injectionProblems } from './injection.js';
import { missingListener, missingProviders } from './missing.js';

/** An application: reagents in, listeners out. It can be injected, so it is there before its providers are. */
export class RunningApplication extends Application {
  #made: ProviderSet | undefined;
  readonly #pool = new ListenerPool();
  readonly #reagents = new WeakMap<Listener, Constructor>();
  readonly #certificates: Certificates;
  /** What `secure: true` and `startTls()` without options stand for. */
  readonly #tls: TlsTerminator | undefined;
  /** Starts that have not settled: a stop waits for them. */
  readonly #starting = new Set<Promise<unknown>>();
  #stopped: Promise<void> | undefined;
  #tellStopping: () => void = () => undefined;
  /** Resolves when it begins to stop, whoever has asked for it. */
  readonly stopping = new Promise<void>((resolve) => {
    this.#tellStopping = resolve;
  });
  #tellClosed: () => void = () => undefined;
  readonly closed = new Promise<void>((resolve) => {
    this.#tellClosed = resolve;
  });

  constructor(
    readonly logger: Logger,
    tls: TlsTerminator | undefined,
    private readonly binder: Binder | undefined,
    readonly worker: WorkerIdentity | undefined = undefined,
  ) {
    super();
    this.#tls = tls;
    this.#certificates = new Certificates(logger);
    if (tls !== undefined) this.#certificates.add(tls, 'the application');
  }

  /** From now on it has providers, which it disposes when it stops. */
  equip(providers: ProviderSet): void {
    this.#made = providers;
    // One of them has stopped it while they were made.
    this.#stopped = this.#stopped?.finally(() => providers.dispose());
  }

  get #providers(): ProviderSet {
    if (this.#made === undefined) throw missingProviders();
    return this.#made;
  }

  get listeners(): readonly Listener[] {
    return this.#pool.all;
  }

  listener(nameOrClass: string | Constructor): Listener {
    const found =
      typeof nameOrClass === 'string'
        ? this.#pool.get(nameOrClass)
        : this.listeners.find((listener) => this.#reagents.get(listener) === nameOrClass);
    if (found === undefined) throw missingListener(nameOrClass, this.listeners);
    return found;
  }

  resolve<T>(token: Token<T>): T {
    // tsyringe takes abstract classes as tokens; only its type does not say so.
    return this.#providers.container.resolve(token as InjectionToken<T>);
  }

  async start(reagent: Constructor, descriptor: DescriptorInput = {}): Promise<Listener> {
    const { container } = this.#providers;
    requireReagent(reagent);
    const { described, problems } = describeReagents([reagent], () => descriptor, container, this.#tls);
    const found = [...injectionProblems([], [reagent], { parent: container }), ...problems];
    if (found.length > 0) throw new ConfigurationError(found);
    const [listener] = await this.startAll(described);
    return listener as Listener;
  }

  /** Makes the reagents, binds a listener for each, and opens them when all are bound. If one fails, all of them are undone. */
  async startAll(described: readonly DescribedReagent[]): Promise<Listener[]> {
    if (this.#stopped !== undefined) throw new StateError('the application is stopping: nothing can be started in it');
    for (const { descriptor } of described) {
      if (this.#pool.get(descriptor.name) === undefined) continue;
      const message = 'a listener of that name is running already; give this one another name';
      throw new ConfigurationError([{ where: descriptor.name, path: 'name', message }]);
    }
    const singletons = described
      .filter(({ descriptor }) => descriptor.scope === 'singleton')
      .map(({ reagent }) => reagent);
    const instances = this.#providers.makeReagents(singletons);
    const listeners = described.map((item) => this.#listen(item, instances[singletons.indexOf(item.reagent)]));
    const bound = this.#pool.bind(listeners);
    this.#starting.add(bound);
    try {
      await bound;
    } finally {
      this.#starting.delete(bound);
    }
    // A stop that came meanwhile finds them bound, and stops them.
    if (this.#stopped === undefined) this.#pool.open(listeners);
    return listeners;
  }

  #listen({ reagent, descriptor, tls }: DescribedReagent, instance: object | undefined): SocketListener {
    const { container } = this.#providers;
    const owners: Owners =
      instance === undefined ? connectionOwners(reagent, container) : singletonOwner(reagent, instance);
    const listener = new SocketListener(
      descriptor,
      owners,
      this.logger,
      { secure: tls, upgrade: this.#tls },
      this.binder,
    );
    this.#reagents.set(listener, reagent);
    if (tls !== undefined && tls !== this.#tls) {
      this.#certificates.add(tls, listener.name);
      void listener.over.then(() => this.#certificates.delete(tls));
    }
    return listener;
  }

  /** The class that a listener serves. */
  reagentOf(listener: Listener): Constructor | undefined {
    return this.#reagents.get(listener);
  }

  /** Milliseconds that connections have when it stops. */
  get shutdownTimeout(): number {
    return this.#pool.shutdownTimeout;
  }

  suspend(): Promise<void> {
    return this.#pool.suspend();
  }

  resume(): Promise<void> {
    return this.#pool.resume();
  }

  async reload(): Promise<void> {
    this.#certificates.reload();
  }

  stop(options?: StopOptions): Promise<void> {
    if (this.#stopped === undefined) this.#stopped = this.#stop(options);
    // The first stop drains; a later one may shorten the time.
    else if (options?.timeout !== undefined) void this.#pool.stop(options);
    return this.#stopped;
  }

  async #stop(options: StopOptions | undefined): Promise<void> {
    this.#tellStopping();
    await Promise.allSettled(this.#starting);
    await this.#pool.stop(options);
    this.#certificates.clear();
    try {
      await this.#made?.dispose();
    } finally {
      this.#tellClosed();
    }
  }

  stats(): ApplicationStatistics {
    const listeners = Object.fromEntries(this.listeners.map((listener) => [listener.name, listener.stats()]));
    return { listeners, connections: sumConnections(Object.values(listeners)) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
