import type { Duplex } from 'node:stream';
import type { DetailedPeerCertificate } from 'node:tls';
import type { Codec } from '../codec/codec.js';
import type { Listener } from '../listener/listener.js';
import type { Endpoint } from '../transport/endpoint.js';
import type { ProxyHeader } from '../transport/proxy-protocol/proxy-header.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';
import type { Environment } from './environment.js';

/**
 * Why a connection ended.
 *
 * - `client`: the client ended its side, all was answered, the connection closed.
 * - `server`: the server called `close()` or `reset()`, or a pull-style handler returned.
 * - `reset`: the client reset the connection, or the network lost it; `error` has the system's code.
 * - `timeout`: a time limit passed; `error` is a `TimeoutError` that says which.
 * - `error`: a hook threw or rejected, or the codec refused the input; `error` is what was thrown.
 * - `shutdown`: the listener or the application stopped.
 */
export interface CloseReason {
  readonly kind: CloseKind;
  readonly error?: Error;
}

export type CloseKind = 'client' | 'server' | 'reset' | 'timeout' | 'error' | 'shutdown';

/** What `send()` takes where the codec's outgoing type is not spelled out: bytes and text take either, messages take any value. */
export type Outgoing<In> = In extends Uint8Array | string ? Uint8Array | string : unknown;

/** Options of one socket, for `setOptions`. Those left out stay as they are. */
export interface SocketOptions {
  /** Sends small segments at once (TCP_NODELAY). */
  readonly noDelay?: boolean;
  /** Has the kernel probe a silent peer (SO_KEEPALIVE). */
  readonly keepAlive?: boolean;
  /** Milliseconds of silence before the first probe; takes effect together with `keepAlive: true`. */
  readonly keepAliveInitialDelay?: number;
  /** Bytes waiting to be sent above which `send()` returns `false` and the connection is no longer read from. */
  readonly highWaterMark?: number;
}

/** Which part of a file `sendFile` sends. */
export interface SendFileOptions {
  /** Bytes of the file to leave out at its beginning. Default: 0. */
  readonly offset?: number;
  /** Bytes to send. Default: all that the file has from `offset` on when it is opened. */
  readonly size?: number;
}

export interface RecvOptions {
  /**
   * Milliseconds to wait before a `TimeoutError`; no byte is lost then. `Infinity` is no limit. Default: none, but `timeouts.handshake`
   * in the `@OnConnection` of a push-style reagent, which keeps an acceptor from others while it waits.
   */
  readonly timeout?: number;
}

export interface RecvLengthOptions extends RecvOptions {
  /** Exactly this many bytes, whatever the codec. */
  readonly length: number;
}

export interface RecvUntilOptions extends RecvOptions {
  /** The bytes before this delimiter, which is taken from the input and not returned; text is UTF-8. */
  readonly until: string | Uint8Array;
  /** Bytes before the delimiter above which a `FrameTooLongError` is thrown. Default: 65 536. */
  readonly maxLength?: number;
}

/** The certificate that a client has shown, as `node:tls` describes it, and whether it counts. */
export interface PeerCertificate extends DetailedPeerCertificate {
  /** Whether `ca` vouches for it. Always true where certificates are required, which `rejectUnauthorized: false` turns off. */
  readonly authorized: boolean;
  /** Why it does not, such as `'DEPTH_ZERO_SELF_SIGNED_CERT'` or `'CERT_HAS_EXPIRED'`. */
  readonly authorizationError: string | undefined;
}

/**
 * One client's connection, and the token under which it is injected into what lives as long as it does
 * (`scope: 'connection'`).
 *
 * A connection behaves like a process: its hooks never run at the same time, and what they send leaves in the order of the calls.
 */
export abstract class Connection<In = Buffer, Out = Outgoing<In>> implements AsyncIterable<In> {
  /** A number no other connection of this process has. */
  abstract readonly id: number;
  abstract readonly listener: Listener;
  /** The connection's own values; what is not set here is read from `listener.env`. Deleted when the connection has closed. */
  abstract readonly env: Environment;
  /** Our end: behind a balancer, the one that the client connected to, as the PROXY header tells it. */
  abstract readonly local: Endpoint;
  /** The client's end: behind a balancer, as the PROXY header tells it. */
  abstract readonly remote: Endpoint;
  /** What the balancer's PROXY header says, where the listener has `proxyProtocol`. */
  abstract readonly proxy: ProxyHeader | undefined;
  /** Whether the connection is encrypted with TLS. */
  abstract readonly secure: boolean;
  /** The protocol agreed upon in the TLS handshake, one of the listener's `alpn`; `undefined` if none was. */
  abstract readonly alpnProtocol: string | undefined;
  /** The host name that the client has asked for in the TLS handshake (SNI), unchecked; `undefined` if none. */
  abstract readonly serverName: string | undefined;
  /** Aborted as soon as the socket has closed, with the `CloseReason` as its reason. */
  abstract readonly signal: AbortSignal;
  /** Resolves with the reason as soon as the socket has closed; never rejects. */
  abstract readonly closed: Promise<CloseReason>;
  abstract readonly bytesRead: number;
  abstract readonly bytesWritten: number;
  /**
   * Bytes that were sent and that the kernel has not taken yet, since the client does not read; of text, characters. To drop clients that
   * are too slow: `if (conn.bytesWaiting > 1_048_576) conn.reset()`.
   */
  abstract readonly bytesWaiting: number;

  /**
   * The certificate that the client has shown: `secure.requestCert` asks for one. `undefined` if it has shown none, or if this is asked
   * for the first time after the socket has closed. Look at `authorized` where `secure.rejectUnauthorized` is `false`.
   */
  abstract peerCertificate(): PeerCertificate | undefined;

  /** Turns bytes into messages and back. A new one applies from the very next byte, also to bytes already received. */
  abstract codec: Codec<In, Out>;

  /**
   * Queues a message; all that is sent in one tick leaves in one write.
   *
   * Bytes are not copied if that can be avoided, so a buffer given to `send` is not to be changed until it has been sent. Who fills
   * one buffer again and again sends a copy: `conn.send(Buffer.from(buffer))`.
   *
   * @returns `false` when more than `highWaterMark` bytes now wait, or when the connection has closed and the message is dropped.
   */
  abstract send(message: Out): boolean;

  /** Resolves once no more than `highWaterMark` bytes wait to be sent; at once if so already. Resolves as well when the connection closes. */
  abstract drained(): Promise<void>;

  /**
   * Sends a file, or a part of it, after all that was sent before and ahead of all that is sent later; the codec is not asked. A part
   * at a time is in memory.
   *
   * A file that turns out shorter while it is sent resets the connection: what follows would be taken for the missing bytes.
   *
   * @returns the number of bytes sent, when the kernel has taken them
   * @throws the system's error if the file cannot be read, RangeError if it is shorter than asked for (nothing was sent then),
   *   UnexpectedEndError if it has become shorter meanwhile, ConnectionClosedError if the connection closes before the end
   */
  abstract sendFile(path: string, options?: SendFileOptions): Promise<number>;

  /**
   * The connection as a stream of Node.js, for libraries with a protocol of their own: `server.emit('connection', conn.stream)`,
   * `pipeline(conn.stream, …)`.
   *
   * Whoever takes it takes the connection over: input goes to the stream as bytes, no longer to `@OnData` or `recv`, and the
   * connection closes when both sides of the stream have ended, not when a pull-style handler returns. The other hooks stay.
   */
  abstract readonly stream: Duplex;

  /**
   * Waits for the next message; `null` once the client has ended its side, or after a local `close()`. For pull-style handlers, and
   * inside any hook that is running.
   *
   * @throws TimeoutError (`timeout`, or the connection's `timeouts.idle`), UnexpectedEndError (the stream ended inside the bytes asked
   *   for), ConnectionClosedError (the connection was reset, or has failed), StateError (called in push style outside of a hook, or while
   *   another `recv` waits), and what the codec throws.
   */
  abstract recv(options?: RecvOptions): Promise<In | null>;
  /** Waits for exactly `length` bytes, whatever the codec; `null` if the stream ends before the first of them. */
  abstract recv(length: number): Promise<Buffer | null>;
  abstract recv(options: RecvLengthOptions | RecvUntilOptions): Promise<Buffer | null>;

  /** Iterates over messages until the client ends its side. `break` leaves the connection open. */
  abstract [Symbol.asyncIterator](): AsyncIterableIterator<In>;

  /** Stops reading from the socket until `resume()`. */
  abstract pause(): void;
  abstract resume(): void;

  /**
   * Gives the connection to another object with hooks. Its `@OnConnection` is called as soon as no hook is running; from then on
   * all hooks called are its own.
   *
   * @throws StateError if it is no object of a class, or the class has neither `@OnConnection` nor `@OnData`.
   */
  abstract handOver(owner: object): void;

  /**
   * Encrypts the connection from here on, for protocols with a command for it (STARTTLS). What was sent before leaves unencrypted, what
   * is sent after waits for the handshake, which has `timeouts.handshake`; codec, owner and `env` stay.
   *
   * Answer the command and call this at once. If the client has sent anything behind its command that is no TLS, which an attacker
   * could have put there, the connection fails; not a byte of it is taken for input.
   *
   * @example
   * ```ts
   * conn.send('220 go ahead');
   * await conn.startTls();
   * ```
   *
   * @param options whose certificates to use. Default: those of `bootstrap(AppModule, { secure })`. Of an object that is used again and
   *   again the files are read once.
   * @throws TlsError or TimeoutError if the handshake fails: the connection closes then, and `@OnError` is told; StateError if it is
   *   encrypted already, has ended, is read by `recv` or `conn.stream`, or there are no options; ConfigurationError if they are wrong
   */
  abstract startTls(options?: TlsOptions): Promise<void>;

  /** From now on this connection does not count against `maxConnections`: the next waiter is let in. */
  abstract exempt(): void;

  abstract setOptions(options: SocketOptions): void;

  /** `write`: sends what is queued, then our FIN; input goes on. `read`: drops all further input. `both`: `close()`. */
  abstract shutdown(how: 'read' | 'write' | 'both'): void;

  /**
   * Sends what is queued, then our FIN, and drops further input. Safe to call twice.
   *
   * The socket closes when the client has ended its side too, or a second later: to close it earlier could destroy what was sent last.
   */
  abstract close(): void;

  /** Closes at once with a RST: what is queued is dropped. */
  abstract reset(): void;
}
