import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Connection } from '../connection/connection.js';
import type { Environment } from '../connection/environment.js';
import type { TimeoutOptions, Timeouts } from '../descriptor/descriptor.js';
import type { ListenerStatistics } from '../telemetry/statistics.js';
import type { Endpoint } from '../transport/endpoint.js';

/**
 * - `starting`: bound, but the application is not up yet; what arrives is held.
 * - `listening`: accepts.
 * - `suspended`: does not accept; what is open goes on.
 * - `draining`: stopping, and waiting for what is open.
 * - `stopped`: over.
 */
export type ListenerStatus = 'starting' | 'listening' | 'suspended' | 'draining' | 'stopped';

export interface StopOptions {
  /** Milliseconds that connections have to end by themselves before they are reset. Default: `timeouts.shutdown`. */
  readonly timeout?: number;
}

export interface WaitOptions {
  /** Milliseconds before a `TimeoutError`. Default: no limit. */
  readonly timeout?: number;
}

/** One bound port, path or descriptor with its acceptors, and the token under which it is injected per connection. */
export abstract class Listener {
  abstract readonly id: number;
  abstract readonly name: string;
  /** Where it is bound: the host's address, or the Unix socket's path. */
  abstract readonly address: string;
  /** The port it is bound to, also when the descriptor asked for 0; 0 for a Unix socket. */
  abstract readonly port: number;
  /** `host` of the descriptor; `undefined` for all interfaces. */
  abstract readonly host: string | undefined;
  abstract readonly endpoint: Endpoint;
  /** Whether its connections are encrypted from their beginning. */
  abstract readonly secure: boolean;
  /** The certificate that clients are shown who ask for no other name; `undefined` where it is not secure. */
  abstract readonly cert: X509Certificate | undefined;
  /** Values that every connection's `env` falls back to: what is set or deleted here, open connections see as well. */
  abstract readonly env: Environment;
  abstract readonly status: ListenerStatus;
  /** The connections whose `@OnConnection` was entered and that have not closed. */
  abstract readonly connections: ReadonlySet<Connection<unknown, unknown>>;

  /** Connections that may be open at a time. Setting it takes effect at once: a higher one lets waiters in, a lower one closes nothing. */
  abstract maxConnections: number;

  /**
   * Connections that one address may have. Setting it takes effect at once, and closes nothing: who is connected already counts, and whoever
   * comes to an address that has as many is refused. Where nobody has asked for addresses before, setting it asks each open connection for
   * its own, which takes some microseconds each.
   */
  abstract maxConnectionsPerIp: number;

  /** The time limits in force. */
  abstract readonly timeouts: Timeouts;

  /**
   * Changes time limits; those that are left out, or `undefined`, stay as they are.
   *
   * - `idle`, `send`, `wait`, `proxyHeader`, `handshake`: for whoever comes, and at once for whoever is there: time that has passed counts,
   *   and one for whom it is over already is dealt with soon. Where there was no `idle` before, open connections are idle from now on.
   *   A `startTls()` or a `recv()` of `@OnConnection` that is under way keeps its `handshake`.
   * - `shutdown`: for the next `stop()`. One under way is shortened by another `stop({ timeout })`.
   *
   * @example
   * ```ts
   * listener.setTimeouts({ idle: 10_000, send: false });
   * ```
   *
   * @throws ConfigurationError with all that is wrong, as of a descriptor's `timeouts`; nothing is changed then
   */
  abstract setTimeouts(changes: TimeoutOptions): void;

  abstract stats(): ListenerStatistics;

  /**
   * Reads the files of certificates and keys again. Handshakes that begin from now on use what is in them, open connections go on.
   *
   * Where it is not secure, but the application has TLS options for `startTls()`, those are read again. Where there is no file,
   * nothing happens.
   *
   * @throws ConfigurationError if something is wrong with them; the old certificates stay in use
   */
  abstract reloadCertificates(): Promise<void>;

  /** Sets how many connections may be set up at the same time. Busy acceptors over the number finish what they do. */
  abstract resize(acceptors: number): void;

  /**
   * Serves a socket that was accepted elsewhere, by a server that tells protocols apart for one, as if it had come to this listener: the
   * same limits and steps, the same hooks. Nothing may have been read from it, and nobody else may use it from here on.
   *
   * @throws StateError unless the listener is listening
   */
  abstract accept(socket: Socket): void;

  /** Stops accepting; open and waiting connections go on. Does nothing if already suspended; waits until one that is starting is up. */
  abstract suspend(): Promise<void>;

  /** Accepts again, on the same port also where the descriptor asked for 0. */
  abstract resume(): Promise<void>;

  /** Resolves once `predicate` is true of the number of connections admitted and not yet closed. */
  abstract waitForConnections(predicate: (connections: number) => boolean, options?: WaitOptions): Promise<void>;

  /** Stops accepting, refuses those that wait, calls `@OnShutdown` of each connection, waits, and resets what is left. */
  abstract stop(options?: StopOptions): Promise<void>;

  /**
   * Sends a message to every open connection.
   *
   * @throws what a connection's codec throws, after all connections have been tried
   */
  abstract broadcast(message: unknown): void;
}
