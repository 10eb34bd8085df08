import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  type Connection,
  type Endpoint,
  type Environment,
  emptyStatistics,
  Listener,
  type ListenerStatistics,
  type ListenerStatus,
  TimeoutError,
  type TimeoutOptions,
  type Timeouts,
  type WaitOptions,
} from '@reagent/core';

export interface MockListenerOptions {
  /** Default: `'mock'`. */
  readonly name?: string;
  /** Default: port 8080 of 127.0.0.1. */
  readonly endpoint?: Endpoint;
  /** Default: `false`. */
  readonly secure?: boolean;
  readonly cert?: X509Certificate;
  /** What the connections' `env` fall back to. Default: nothing. */
  readonly env?: Readonly<Record<string, unknown>>;
}

let lastId = 0;

/** Made by `mockListener`. */
export class MockListener extends Listener {
  /** Below zero, where no listener of an application has one. */
  readonly id = --lastId;
  readonly name: string;
  readonly host: string | undefined;
  readonly endpoint: Endpoint;
  readonly secure: boolean;
  readonly cert: X509Certificate | undefined;
  readonly env: Environment;
  maxConnections = Infinity;
  maxConnectionsPerIp = Infinity;
  /** As a listener's are without a descriptor that says otherwise; `setTimeouts` is the one to change them, unchecked. */
  timeouts: Timeouts = {
    proxyHeader: 5_000,
    handshake: 5_000,
    idle: Infinity,
    wait: Infinity,
    send: 30_000,
    shutdown: 15_000,
  };
  /** What `broadcast` was called with. */
  readonly broadcasts: unknown[] = [];
  /** The sockets that `accept` was called with. */
  readonly accepted: Socket[] = [];
  /** How many acceptors it has, `resize` being the one to change it. */
  acceptors = 100;
  readonly #connections = new Set<Connection<unknown, unknown>>();
  readonly #waiting = new Set<() => void>();
  #status: ListenerStatus = 'listening';

  constructor({ name = 'mock', endpoint, secure = false, cert, env = {} }: MockListenerOptions = {}) {
    super();
    this.name = name;
    this.endpoint = endpoint ?? { address: '127.0.0.1', port: 8080, family: 'IPv4' };
    this.host = this.endpoint.family === 'unix' ? undefined : this.endpoint.address;
    this.secure = secure;
    this.cert = cert;
    this.env = Object.assign(Object.create(null) as Environment, env);
  }

  get address(): string {
    return this.endpoint.address;
  }

  get port(): number {
    return this.endpoint.port;
  }

  get status(): ListenerStatus {
    return this.#status;
  }

  get connections(): ReadonlySet<Connection<unknown, unknown>> {
    return this.#connections;
  }

  /** Called by its connections. */
  add(connection: Connection<unknown, unknown>): void {
    this.#connections.add(connection);
    this.#look();
  }

  /** Called by its connections. */
  delete(connection: Connection<unknown, unknown>): void {
    this.#connections.delete(connection);
    this.#look();
  }

  /** All is zero but the connections that are open and the acceptors. */
  stats(): ListenerStatistics {
    const { name, status, address, port } = this;
    const nothing = emptyStatistics(name);
    return {
      ...nothing,
      status,
      address,
      port,
      acceptors: { size: this.acceptors, busy: 0, waiting: 0 },
      connections: { ...nothing.connections, active: this.#connections.size },
    };
  }

  /** Does nothing. */
  async reloadCertificates(): Promise<void> {}

  resize(acceptors: number): void {
    this.acceptors = acceptors;
  }

  setTimeouts(changes: TimeoutOptions): void {
    const timeouts: Record<string, number> = { ...this.timeouts };
    for (const [name, limit] of Object.entries(changes)) {
      if (limit !== undefined) timeouts[name] = limit === false ? Infinity : limit;
    }
    this.timeouts = timeouts as unknown as Timeouts;
  }

  accept(socket: Socket): void {
    this.accepted.push(socket);
  }

  async suspend(): Promise<void> {
    if (this.#status === 'listening') this.#status = 'suspended';
  }

  async resume(): Promise<void> {
    if (this.#status === 'suspended') this.#status = 'listening';
  }

  waitForConnections(
    predicate: (connections: number) => boolean,
    { timeout = Infinity }: WaitOptions = {},
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        done();
      };
      const look = () => {
        if (predicate(this.#connections.size)) settle(resolve);
      };
      const late = () => settle(() => reject(new TimeoutError('connections', timeout)));
      const timer = timeout === Infinity ? undefined : setTimeout(late, timeout);
      this.#waiting.add(look);
      look();
    });
  }

  /** Closes the connections. */
  async stop(): Promise<void> {
    this.#status = 'draining';
    for (const connection of this.#connections) connection.close();
    await this.waitForConnections((open) => open === 0);
    this.#status = 'stopped';
  }

  /** Sends it to the mock connections that have this listener. */
  broadcast(message: unknown): void {
    this.broadcasts.push(message);
    let failure: unknown;
    for (const connection of this.#connections) {
      try {
        connection.send(message);
      } catch (error) {
        // The others are tried all the same.
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }

  #look(): void {
    for (const look of this.#waiting) look();
  }
}

/** A listener without a socket, for mock connections that are to have one in common, or one with a name or an environment. */
export function mockListener(options?: MockListenerOptions): MockListener {
  return new MockListener(options);
}
