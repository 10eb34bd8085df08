import type { X509Certificate } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import type { Connection } from '../connection/connection.js';
import { type Environment, rootEnvironment } from '../connection/environment.js';
import { checkTimeouts } from '../descriptor/check.js';
import type { Descriptor, TimeoutOptions, Timeouts } from '../descriptor/descriptor.js';
import { ConfigurationError, StateError } from '../errors.js';
import { channels } from '../telemetry/channels.js';
import type { Logger } from '../telemetry/logger.js';
import type { ListenerStatistics } from '../telemetry/statistics.js';
import { startTimer } from '../timer.js';
import { canReusePort } from '../transport/bind.js';
import type { Binder } from '../transport/binder.js';
import type { Endpoint } from '../transport/endpoint.js';
import { Binding } from './binding.js';
import { Clients, type ListenerTls } from './clients.js';
import { Listener, type ListenerStatus, type StopOptions, type WaitOptions } from './listener.js';
import { ListenerProfile } from './listener-profile.js';
import type { Owners } from './owners.js';

/** How long hooks may still run after `stop` has reset their connections, in milliseconds. */
const LAST_HOOKS = 1_000;

let lastId = 0;

/** A listener over a server of `node:net`: where it is bound, whether it takes clients, and what it allows them. */
export class SocketListener extends Listener {
  readonly id = ++lastId;
  readonly env: Environment;
  readonly #descriptor: Descriptor;
  #timeouts: Timeouts;
  readonly #server: Server;
  readonly #binding: Binding;
  readonly #clients: Clients;
  readonly #profile: ListenerProfile | undefined;
  #status: ListenerStatus = 'starting';
  /** Sockets that came before the application was up. */
  #held: Socket[] = [];
  #stopped: Promise<void> | undefined;
  #tellUp: () => void = () => undefined;
  /** Resolves when it is not starting any more, whatever has become of it. */
  readonly #up = new Promise<void>((resolve) => {
    this.#tellUp = resolve;
  });
  #tellOver: () => void = () => undefined;
  /** Resolves when it has stopped, for whatever reason; never rejects. */
  readonly over = new Promise<void>((resolve) => {
    this.#tellOver = resolve;
  });

  constructor(
    descriptor: Descriptor,
    owners: Owners,
    private readonly logger: Logger,
    private readonly tls: ListenerTls,
    binder: Binder | undefined,
  ) {
    super();
    const { name, env, timeouts, options, profile } = descriptor;
    this.#descriptor = descriptor;
    this.env = rootEnvironment(env as Record<string, unknown>);
    this.#timeouts = Object.freeze({ ...timeouts });
    this.#clients = new Clients(this, descriptor, owners, logger, tls);
    this.#server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: options.noDelay,
      keepAlive: options.keepAlive,
      keepAliveInitialDelay: options.keepAliveInitialDelay,
    });
    this.#profile = profile === false ? undefined : new ListenerProfile(name, profile, logger);
    this.#binding = new Binding(this.#server, descriptor, binder);
    this.#server.on('connection', (socket) => this.#arrived(socket));
    this.#server.on('error', (error) => this.#serverFailed(error));
  }

  get name(): string {
    return this.#descriptor.name;
  }

  get endpoint(): Endpoint {
    return this.#binding.endpoint;
  }

  get address(): string {
    return this.endpoint.address;
  }

  get port(): number {
    return this.endpoint.port;
  }

  get host(): string | undefined {
    return this.#descriptor.host;
  }

  get shutdownTimeout(): number {
    return this.#timeouts.shutdown;
  }

  get secure(): boolean {
    return this.tls.secure !== undefined;
  }

  get cert(): X509Certificate | undefined {
    return this.tls.secure?.certificate;
  }

  get status(): ListenerStatus {
    return this.#status;
  }

  get isStopping(): boolean {
    return this.#status === 'draining' || this.#status === 'stopped';
  }

  get connections(): ReadonlySet<Connection<unknown, unknown>> {
    return this.#clients.connections;
  }

  get maxConnections(): number {
    return this.#clients.maxConnections;
  }

  set maxConnections(limit: number) {
    requireCount('maxConnections', limit, limit === Infinity);
    this.#clients.maxConnections = limit;
  }

  get maxConnectionsPerIp(): number {
    return this.#clients.maxConnectionsPerIp;
  }

  set maxConnectionsPerIp(limit: number) {
    requireCount('maxConnectionsPerIp', limit, limit === Infinity);
    this.#clients.maxConnectionsPerIp = limit;
  }

  get timeouts(): Timeouts {
    return this.#timeouts;
  }

  setTimeouts(changes: TimeoutOptions): void {
    const checked = checkTimeouts(changes);
    if ('problems' in checked) {
      throw new ConfigurationError(checked.problems.map((problem) => ({ where: this.name, ...problem })));
    }
    this.#timeouts = Object.freeze({ ...this.#timeouts, ...checked.timeouts });
    this.#clients.setTimeouts(this.#timeouts);
  }

  resize(acceptors: number): void {
    requireCount('resize(acceptors)', acceptors);
    this.#clients.resize(acceptors);
  }

  async reloadCertificates(): Promise<void> {
    const tls = this.tls.secure ?? this.tls.upgrade;
    tls?.reload(this.name, this.logger);
  }

  stats(): ListenerStatistics {
    const { name, status, address, port } = this;
    return { name, status, address, port, ...this.#clients.figures() };
  }

  broadcast(message: unknown): void {
    let failure: unknown;
    for (const connection of this.connections) {
      try {
        connection.send(message);
      } catch (error) {
        // The others may have another codec, or another state of it.
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }

  // Starting and stopping.

  #become(status: ListenerStatus): void {
    const previous = this.#status;
    this.#status = status;
    this.#tellUp();
    if (channels.listenerStatus.hasSubscribers) channels.listenerStatus.publish({ listener: this, status, previous });
  }

  /** Binds. What arrives is held until `open`. Rejects with a ListenError. */
  bind(): Promise<void> {
    if (this.#descriptor.options.reusePort && !canReusePort()) {
      this.logger.warn(
        { listener: this.name, version: process.version },
        'options.reusePort has no effect: it needs Node.js 22.12 or newer',
      );
    }
    return this.#binding.inTurn(async () => {
      await this.#binding.bind();
      await this.#profile?.start();
    });
  }

  /** The application is up: serves those who came already, and whoever comes. */
  open(): void {
    if (this.#status !== 'starting') return;
    this.#become('listening');
    this.#profile?.serve();
    this.logger.info({ listener: this.name, address: this.#binding.description }, 'listening');
    const held = this.#held;
    this.#held = [];
    for (const socket of held) this.#clients.arrive(socket);
  }

  suspend(): Promise<void> {
    return this.#binding.inTurn(async () => {
      await this.#up;
      if (this.#status !== 'listening') return;
      if (this.#descriptor.fd !== undefined) {
        throw new StateError(
          `${this.name} listens on an inherited descriptor, which cannot be opened again: it can be stopped, not suspended`,
        );
      }
      this.#become('suspended');
      this.#binding.release();
      this.logger.info({ listener: this.name }, 'suspended');
    });
  }

  resume(): Promise<void> {
    return this.#binding.inTurn(async () => {
      if (this.isStopping) throw new StateError(`${this.name} has been stopped and cannot resume`);
      if (this.#status !== 'suspended') return;
      await this.#binding.bind();
      // A stop that came meanwhile is next in turn, and releases it.
      if (this.isStopping) return;
      this.#become('listening');
      this.logger.info({ listener: this.name, address: this.#binding.description }, 'resumed');
    });
  }

  waitForConnections(
    predicate: (connections: number) => boolean,
    { timeout = Infinity }: WaitOptions = {},
  ): Promise<void> {
    return this.#clients.waitFor(predicate, timeout);
  }

  stop({ timeout = this.#timeouts.shutdown }: StopOptions = {}): Promise<void> {
    this.#stopped ??= this.#drain();
    if (this.#status === 'stopped') return this.#stopped;
    // Each call may shorten the time that is left, so that the one who is in a hurry need not know of the others.
    const timer = startTimer(timeout, () => this.#cutOff());
    return this.#stopped.finally(() => clearTimeout(timer));
  }

  async #drain(): Promise<void> {
    const before = this.#status;
    this.#become('draining');
    await this.#binding.inTurn(async () => this.#binding.release());
    // They are refused, as whoever comes now.
    for (const socket of this.#held.splice(0)) this.#clients.arrive(socket);
    this.#clients.stop();
    await this.#clients.waitFor((open) => open === 0);
    await this.#profile?.stop();
    this.#become('stopped');
    this.#clients.gate.close();
    this.#tellOver();
    if (before !== 'starting') this.logger.info({ listener: this.name }, 'stopped');
  }

  /** The time to drain is over: resets what is left, and waits no longer than a moment for hooks that run on. */
  #cutOff(): void {
    const clients = this.#clients;
    if (clients.open === 0) return;
    this.logger.warn(
      { listener: this.name, connections: clients.open },
      'resetting connections that did not end in time',
    );
    clients.cutOff();
    const timer = startTimer(LAST_HOOKS, () => {
      if (clients.open === 0) return;
      this.logger.warn(
        { listener: this.name, connections: clients.open },
        'hooks of closed connections are still running; not waiting for them',
      );
      clients.abandonHooks();
    });
    void this.#stopped?.finally(() => clearTimeout(timer));
  }

  accept(socket: Socket): void {
    if (this.#status !== 'listening') {
      throw new StateError(`${this.name} is ${this.#status} and takes no connection`);
    }
    const { noDelay, keepAlive, keepAliveInitialDelay } = this.#descriptor.options;
    socket.allowHalfOpen = true;
    socket.pause();
    if (noDelay) socket.setNoDelay(true);
    if (keepAlive) socket.setKeepAlive(true, keepAliveInitialDelay);
    this.#clients.arrive(socket);
  }

  /** Hot path for short connections. */
  #arrived(socket: Socket): void {
    if (this.#status === 'starting') this.#held.push(socket);
    else this.#clients.arrive(socket);
  }

  #serverFailed(error: Error): void {
    // While binding, `bind` reports it. Later on, the kernel could not hand a connection over; the next one may well come.
    if (this.#server.listening)
      this.#clients.gate.writeError('error', 'a connection could not be accepted', error, () => ({}));
  }
}

function requireCount(what: string, value: number, allowed = false): void {
  if (allowed || (Number.isSafeInteger(value) && value >= 1)) return;
  throw new RangeError(`${what} takes a whole number of 1 or more, not ${value}`);
}
