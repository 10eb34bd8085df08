import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Admitted } from '../connection/admitted.js';
import type { Environment } from '../connection/environment.js';
import type { TlsError } from '../errors.js';
import { type Endpoint, remoteOf } from '../transport/endpoint.js';
import type { ProxyHeader } from '../transport/proxy-protocol/proxy-header.js';
import type { ProxyHeaderReader } from '../transport/proxy-protocol/proxy-header-reader.js';
import type { HandshakeOwner } from '../transport/tls/tls-terminator.js';

/**
 * - `waiting`: in the queue for room among the connections.
 * - `admitted`: counts as a connection; waits for an acceptor.
 * - `header`: owes its PROXY header.
 * - `identified`: has sent it.
 * - `accepting`: `@OnAccept` is deciding.
 * - `handshake`: is in the TLS handshake.
 * - `secured`: has done the handshake.
 * - `done`: became a connection, or was turned away.
 */
export type ArrivalState =
  | 'waiting'
  | 'admitted'
  | 'header'
  | 'identified'
  | 'accepting'
  | 'handshake'
  | 'secured'
  | 'done';

/** Who is told what a client does that is no connection yet. */
export interface ArrivalDesk {
  /** Bytes have come; returns whether to go on reading. */
  received(arrival: Arrival, chunk: Buffer): boolean;
  ended(arrival: Arrival): void;
  closed(arrival: Arrival): void;
  handshakeDone(arrival: Arrival, socket: TLSSocket): void;
  handshakeFailed(arrival: Arrival, error: TlsError): void;
}

/** A client between the kernel and its `@OnConnection`. */
export class Arrival implements Admitted, HandshakeOwner {
  state: ArrivalState = 'waiting';
  /** When its present step began, as `performance.now()`. */
  since = 0;
  /** When it came, as `performance.now()`, where somebody wants to know. */
  arrivedAt: number | undefined;
  counted = false;
  hasAcceptor = false;
  env: Environment | undefined;
  /** As `@OnAccept` has set it, in bytes. */
  highWaterMark: number | undefined;
  proxy: ProxyHeader | undefined;
  /** While the PROXY header is being read. */
  reader: ProxyHeaderReader | undefined;
  /** What was read behind the PROXY header, or the handshake. */
  early: Buffer | undefined;
  /** The client has ended its side already. */
  ended = false;

  constructor(
    /** The encrypted one, once the handshake is done. */
    public socket: Socket,
    public ip: string,
    private readonly desk: ArrivalDesk,
  ) {}

  /** The client's end, as far as it is known. */
  get remote(): Endpoint {
    return this.proxy?.source ?? remoteOf(this.socket);
  }

  socketReceived(chunk: Buffer): boolean {
    return this.desk.received(this, chunk);
  }

  socketEnded(): void {
    this.desk.ended(this);
  }

  // The socket closes next, and that is what counts.
  socketFailed(): void {}

  socketClosed(): void {
    this.desk.closed(this);
  }

  handshakeDone(socket: TLSSocket): void {
    this.desk.handshakeDone(this, socket);
  }

  handshakeFailed(error: TlsError): void {
    this.desk.handshakeFailed(this, error);
  }
}
