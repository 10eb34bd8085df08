import { Duplex } from 'node:stream';
import type { Endpoint } from '../transport/endpoint.js';

/** What a stream needs of its connection. */
export interface StreamedConnection {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  readonly secure: boolean;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** The stream has room for input. */
  streamWants(): void;
  /** Sends bytes; `taken` is called when there is room for more. */
  streamSends(chunks: readonly Uint8Array[], taken: (error?: Error) => void): void;
  /** The stream has ended its side. */
  streamEnds(done: () => void): void;
  /** The stream is destroyed, with an error or without. */
  streamDestroyed(error: Error | null): void;
  setOptions(options: { noDelay?: boolean; keepAlive?: boolean; keepAliveInitialDelay?: number }): void;
}

/**
 * A connection as a stream of Node.js, for libraries that bring their own protocol.
 *
 * Half-open as the connection is: its end of input does not end its output, unless `allowHalfOpen` is set to `false`. It has what such
 * libraries look for on a `net.Socket`: addresses, `setTimeout`, `setNoDelay` and `setKeepAlive`.
 */
export class ConnectionStream extends Duplex {
  readonly #connection: StreamedConnection;
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: StreamedConnection) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    // A client that resets is an everyday matter: whoever listens for errors hears of it, and nobody has to.
    this.on('error', () => undefined);
  }

  get remoteAddress(): string {
    return this.#connection.remote.address;
  }

  get remotePort(): number {
    return this.#connection.remote.port;
  }

  get remoteFamily(): Endpoint['family'] {
    return this.#connection.remote.family;
  }

  get localAddress(): string {
    return this.#connection.local.address;
  }

  get localPort(): number {
    return this.#connection.local.port;
  }

  get encrypted(): boolean {
    return this.#connection.secure;
  }

  get bytesRead(): number {
    return this.#connection.bytesRead;
  }

  get bytesWritten(): number {
    return this.#connection.bytesWritten;
  }

  /** Emits `timeout` when nothing was read or written for so many milliseconds; 0 turns it off. */
  setTimeout(milliseconds: number, callback?: () => void): this {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (milliseconds > 0 && !this.destroyed) this.#timer = setTimeout(() => this.emit('timeout'), milliseconds).unref();
    if (callback !== undefined) {
      if (milliseconds > 0) this.once('timeout', callback);
      else this.off('timeout', callback);
    }
    return this;
  }

  setNoDelay(noDelay = true): this {
    this.#connection.setOptions({ noDelay });
    return this;
  }

  setKeepAlive(keepAlive = false, keepAliveInitialDelay = 0): this {
    this.#connection.setOptions({ keepAlive, keepAliveInitialDelay });
    return this;
  }

  /** Takes input of the connection; returns whether it has room for more. */
  receive(chunk: Buffer | null): boolean {
    this.#timer?.refresh();
    return this.push(chunk);
  }

  override _read(): void {
    this.#connection.streamWants();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#timer?.refresh();
    this.#connection.streamSends([chunk], callback);
  }

  override _writev(chunks: { chunk: Uint8Array }[], callback: (error?: Error | null) => void): void {
    this.#timer?.refresh();
    this.#connection.streamSends(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: () => void): void {
    this.#connection.streamEnds(callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#connection.streamDestroyed(error);
    callback(error);
  }
}
