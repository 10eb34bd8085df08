import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { TimeoutError, TlsError } from '../errors.js';
import { startTimer } from '../timer.js';
import { nextTurn } from '../transport/held-socket.js';
import type { HandshakeOwner, TlsTerminator } from '../transport/tls/tls-terminator.js';
import type { OutboundSource } from './outbound.js';

/** What every TLS handshake begins with, and no text: the type of a handshake record. */
const HANDSHAKE_RECORD = 0x16;

/** What an upgrade to TLS needs of its connection. */
export interface UpgradingConnection {
  /** What was sent before is with the kernel. `early` bytes of what was received belong to the handshake. */
  handshakeBegins(early: number): void;
  /** All is encrypted from here on. `since`: when the upgrade began, as `performance.now()`. */
  upgraded(socket: TLSSocket, since: number): void;
  /** It is not to be: the connection fails. */
  upgradeFailed(error: TlsError | TimeoutError, since: number): void;
  socketFailed(error: Error): void;
  socketClosed(): void;
}

/**
 * The change of an open connection from plain text to TLS.
 *
 * It stands in the queue of what is sent: what was sent before leaves unencrypted, then comes the handshake, and what was sent after
 * waits for it. Meanwhile it holds the socket, so that no unencrypted byte gets past it.
 */
export class TlsUpgrade implements OutboundSource, HandshakeOwner {
  readonly remaining = 0;
  /** Resolves when the handshake is done. */
  readonly done: Promise<void>;
  readonly #connection: UpgradingConnection;
  readonly #socket: Socket;
  readonly #terminator: TlsTerminator;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #since = performance.now();
  #received: Buffer[] = [];
  #state: 'flushing' | 'handshake' | 'over' = 'flushing';
  #resolve: () => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  /** Has the queue of what is sent go on. */
  #goOn: (() => void) | undefined;

  /** @param timeout milliseconds */
  constructor(connection: UpgradingConnection, socket: Socket, terminator: TlsTerminator, timeout: number) {
    this.#connection = connection;
    this.#socket = socket;
    this.#terminator = terminator;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // The connection is told of a failure too, so that nobody has to wait for this.
    this.done.catch(() => {});
    this.#timer = startTimer(timeout, () => this.#fail(new TimeoutError('handshake', timeout)));
  }

  /**
   * Takes bytes that have come before the handshake began: its own beginning, if the client is quick. Anything else is text that
   * somebody has put in front of it, and the end of the connection. Returns which.
   */
  takes(chunk: Buffer): boolean {
    if (this.#received.length === 0 && chunk[0] !== HANDSHAKE_RECORD) {
      this.#fail(new TlsError('plaintext'));
      return false;
    }
    this.#received.push(chunk);
    return true;
  }

  // Its turn in the queue of what is sent.

  async next(): Promise<undefined> {
    const over = new Promise<void>((resolve) => {
      this.#goOn = resolve;
    });
    // If it has failed already, what was sent after it waits until it is dropped.
    if (this.#state === 'flushing') {
      this.#state = 'handshake';
      const early = Buffer.concat(this.#received);
      this.#connection.handshakeBegins(early.length);
      this.#terminator.begin(this.#socket, this, early);
      this.#received = [];
    }
    await over;
    return undefined;
  }

  end(): void {
    this.#goOn?.();
  }

  // What comes of the handshake.

  handshakeDone(socket: TLSSocket): void {
    if (!this.#settle()) {
      socket.destroy();
      return;
    }
    this.#connection.upgraded(socket, this.#since);
    this.#resolve();
    this.#goOn?.();
  }

  handshakeFailed(error: TlsError): void {
    this.#fail(error);
  }

  // The socket, until then.

  socketReceived(chunk: Buffer): boolean {
    this.takes(chunk);
    return false;
  }

  socketEnded(): void {
    this.#fail(new TlsError('client'));
  }

  socketFailed(error: Error): void {
    this.#connection.socketFailed(error);
  }

  socketClosed(): void {
    // Why it has closed, TLS tells next, if it knows.
    nextTurn(() => {
      this.#fail(new TlsError('client'));
      this.#connection.socketClosed();
    });
  }

  #fail(error: TlsError | TimeoutError): void {
    if (!this.#settle()) return;
    this.#reject(error);
    this.#connection.upgradeFailed(error, this.#since);
  }

  /** Returns whether it was still open how it would end. */
  #settle(): boolean {
    if (this.#state === 'over') return false;
    this.#state = 'over';
    clearTimeout(this.#timer);
    return true;
  }
}
