import type { TLSSocket } from 'node:tls';
import type { Codec } from '../codec/codec.js';
import type { TimeoutError, TlsError } from '../errors.js';
import type { Listener } from '../listener/listener.js';
import type { FloodGate } from '../telemetry/flood-gate.js';
import type { Counters } from '../telemetry/statistics.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';
import type { TlsTerminator } from '../transport/tls/tls-terminator.js';
import type { CloseReason } from './connection.js';
import type { Deadlines } from './deadlines.js';
import type { SocketConnection } from './socket-connection.js';

type AnyConnection = SocketConnection<unknown, unknown>;

/** How a TLS handshake has ended. */
export interface HandshakeOutcome {
  /** When it began, as `performance.now()`. */
  readonly since: number;
  /** The encrypted one; `undefined` if it has failed. */
  readonly socket: TLSSocket | undefined;
  /** Why it has failed; `undefined` if it has not. */
  readonly error: TlsError | TimeoutError | undefined;
}

/** What a connection needs of its listener: prepared once for all connections, and told how each goes on. */
export interface ConnectionHost {
  readonly listener: Listener;
  readonly codec: Codec<unknown, unknown>;
  /** Bytes. */
  readonly highWaterMark: number;
  readonly counters: Counters;
  /** For lines of the log: a client can bring most of them about, and in any number. */
  readonly gate: FloodGate;
  /** `undefined` where there is no idle limit, so that no time needs to be taken. */
  readonly idle: Deadlines<AnyConnection> | undefined;
  /** Milliseconds that a TLS handshake may take, and that a push-style `@OnConnection` may wait for its client in one `recv`. */
  readonly startTimeout: number;
  readonly send: Deadlines<AnyConnection>;
  readonly linger: Deadlines<AnyConnection>;
  /** The certificates for `startTls(options)`. Throws StateError if there are none, ConfigurationError if they are wrong. */
  terminator(options: TlsOptions | undefined): TlsTerminator;
  /** A handshake of `startTls()` has come to an end. */
  handshakeEnded(connection: AnyConnection, outcome: HandshakeOutcome): void;
  /** `@OnConnection` has done its part, or the connection is gone: the acceptor is free for the next. Called once. */
  connectionStarted(connection: AnyConnection): void;
  /** The connection is not to count against `maxConnections` any more. */
  connectionExempt(connection: AnyConnection): void;
  /** The socket has closed; hooks may still be running. Called once. */
  connectionClosed(connection: AnyConnection, reason: CloseReason): void;
  /** The socket is closed and the last hook has finished. Called once, last. */
  connectionFinished(connection: AnyConnection): void;
}
