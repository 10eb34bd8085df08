import type { ConnectionClosedError } from '../errors.js';
import type { Endpoint } from '../transport/endpoint.js';
import type { SocketOptions } from './connection.js';
import { ConnectionStream, type StreamedConnection } from './connection-stream.js';
import type { Inbound } from './inbound.js';
import type { Outbound } from './outbound.js';

/** What the link between a connection and its stream needs of the connection. */
export interface LinkedConnection {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  readonly secure: boolean;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  setOptions(options: SocketOptions): void;
  /** Why nothing can be sent any more. */
  closedError(): ConnectionClosedError;
  /** The stream has room for input. */
  linkWants(): void;
  /** The stream is destroyed, with an error or without. */
  linkDestroyed(error: Error | null): void;
}

/** A connection whose input goes to a stream, and whose output comes from it. */
export class StreamLink implements StreamedConnection {
  readonly stream: ConnectionStream;
  readonly #connection: LinkedConnection;
  readonly #outbound: Outbound;
  #wants = false;
  #inputEnded = false;
  /** The stream waits until all of its output was sent. */
  #finished: (() => void) | undefined;

  constructor(connection: LinkedConnection, outbound: Outbound) {
    this.#connection = connection;
    this.#outbound = outbound;
    this.stream = new ConnectionStream(this);
  }

  /** Whether the stream has room for input. */
  get wants(): boolean {
    return this.#wants;
  }

  /** Gives the stream what has come, as far as it has room. Throws what its listeners throw. */
  feed(inbound: Inbound<unknown>): void {
    while (this.#wants) {
      const chunk = inbound.takeChunk();
      if (chunk === undefined) break;
      this.#wants = this.stream.receive(chunk);
    }
    if (!inbound.exhausted || this.#inputEnded) return;
    this.#inputEnded = true;
    this.stream.receive(null);
  }

  /** All of the stream's output was sent, and our FIN behind it. */
  outboundEnded(): void {
    const tell = this.#finished;
    this.#finished = undefined;
    tell?.();
  }

  // What the stream asks.

  get remote(): Endpoint {
    return this.#connection.remote;
  }

  get local(): Endpoint {
    return this.#connection.local;
  }

  get secure(): boolean {
    return this.#connection.secure;
  }

  get bytesRead(): number {
    return this.#connection.bytesRead;
  }

  get bytesWritten(): number {
    return this.#connection.bytesWritten;
  }

  setOptions(options: SocketOptions): void {
    this.#connection.setOptions(options);
  }

  streamWants(): void {
    this.#wants = true;
    this.#connection.linkWants();
  }

  streamSends(chunks: readonly Uint8Array[], taken: (error?: Error) => void): void {
    if (this.#outbound.ended) {
      taken(this.#connection.closedError());
      return;
    }
    for (const chunk of chunks) this.#outbound.write(chunk);
    this.#outbound.whenDrained(taken);
  }

  streamEnds(done: () => void): void {
    if (this.#outbound.finished) {
      done();
      return;
    }
    this.#finished = done;
    this.#outbound.end();
  }

  streamDestroyed(error: Error | null): void {
    this.#connection.linkDestroyed(error);
  }
}
