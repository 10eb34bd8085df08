import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { Arrivals } from './arrivals.js';
import { type Agreement, agreementOf, isEndOfHandshake, isTlsFailure, shakeHands } from './client-tls.js';
import type { ClientTransport } from './client-transport.js';
import type { TestClientTls } from './test-client-options.js';
import { Transcript } from './transcript.js';

/** How things stand with the server. It never goes back, but for a handshake in the middle of a connection. */
export type ServerState = 'connecting' | 'unreachable' | 'shakingHands' | 'open' | 'ended' | 'reset' | 'tlsError';

/** How things stand with the client's own side: `'ended'` it has sent its FIN, `'gone'` there is no socket any more. */
export type OwnState = 'open' | 'ended' | 'gone';

/**
 * The connection of a test's client: what it is made of, in which state it is, and all that went over it. Whatever happens to it, it
 * tells `changed`.
 */
export class Link {
  readonly arrivals = new Arrivals();
  readonly transcript = new Transcript();
  readonly #transport: ClientTransport;
  readonly #changed: () => void;
  readonly #sessions: Buffer[] = [];
  /** The transport's, or TLS on top of it. */
  #stream: Duplex;
  #server: ServerState;
  #own: OwnState = 'open';
  #paused = false;
  #error: NodeJS.ErrnoException | undefined;
  #localPort: number | undefined;
  #agreement: Agreement | undefined;

  constructor(transport: ClientTransport, changed: () => void) {
    this.#transport = transport;
    this.#changed = changed;
    this.#stream = transport.stream;
    this.#server = transport.connecting ? 'connecting' : 'open';
    if (transport.connecting) this.#stream.once('connect', () => this.#change(() => this.#connected()));
    else this.#connected();
    this.#follow(this.#stream);
  }

  get server(): ServerState {
    return this.#server;
  }

  get own(): OwnState {
    return this.#own;
  }

  /** What ended it, if it did not end in peace. */
  get error(): NodeJS.ErrnoException | undefined {
    return this.#error;
  }

  /** Kept when it has closed. */
  get localPort(): number | undefined {
    return this.#localPort;
  }

  /** What the handshake has come to; `undefined` while there was none, or it is not complete. */
  get agreement(): Agreement | undefined {
    return this.#agreement;
  }

  /** Sessions to resume, the oldest first; it grows. */
  get sessions(): readonly Buffer[] {
    return this.#sessions;
  }

  write(data: string | Uint8Array, done: (error?: Error | null) => void): void {
    // A copy: the caller may fill its buffer again.
    const bytes = Buffer.from(data as Uint8Array);
    this.transcript.add('sent', bytes);
    this.#stream.write(bytes, done);
  }

  end(done: (error?: Error | null) => void): void {
    if (this.#own === 'open') this.transcript.add('sent', 'end');
    this.#stream.end(done);
    if (this.#own === 'open') this.#change(() => (this.#own = 'ended'));
  }

  reset(): void {
    if (this.#own !== 'gone') this.transcript.add('sent', 'reset');
    this.#transport.resetWhenDestroyed();
    // From the top: Node.js crashes where TLS is destroyed over a socket that was reset.
    this.#stream.destroy();
  }

  destroy(): void {
    this.#stream.destroy();
  }

  pause(): void {
    this.#paused = true;
    this.#stream.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#stream.resume();
  }

  /** Begins a TLS handshake. It is complete when there is an agreement, or the server's state is no longer `'shakingHands'`. */
  secure(options: TestClientTls): void {
    const socket = shakeHands(this.#stream, this.#transport.host, options);
    this.#unfollow(this.#stream);
    this.#stream = socket;
    this.#server = 'shakingHands';
    this.transcript.add('sent', 'handshake');
    socket
      .once('secureConnect', () => this.#change(() => this.#secured(socket)))
      .on('session', (session) => this.#change(() => this.#sessions.push(session)));
    this.#follow(socket);
    if (this.#paused) socket.pause();
  }

  /** The state in words, for an error. */
  toString(): string {
    const words: string[] = [];
    const cause = this.#error === undefined ? 'unknown' : reasonOf(this.#error);
    if (this.#server === 'connecting') words.push('not connected yet');
    else if (this.#server === 'unreachable') words.push('never made');
    else if (this.#server === 'shakingHands') words.push('in the TLS handshake');
    else if (this.#server === 'reset') words.push(`reset by the server (${cause})`);
    else if (this.#server === 'tlsError') words.push(`TLS has failed (${cause})`);
    else if (this.#server === 'ended') words.push('ended by the server');
    else if (this.#own === 'open') words.push('open');
    if (this.#own === 'ended') words.push('ended by the client');
    if (this.#own === 'gone' && this.#server === 'open') words.push('closed by the client');
    if (this.#paused) words.push('reading is paused');
    if (this.#agreement?.tlsVersion !== undefined) words.push(this.#agreement.tlsVersion);
    return `${words.join(', ')}; to ${this.#transport.name}`;
  }

  #follow(stream: Duplex): void {
    stream.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose).on('error', this.#onError);
  }

  /** Leaves it to TLS, which takes its bytes and ends it. Its errors still count. */
  #unfollow(stream: Duplex): void {
    stream.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
  }

  readonly #onData = (chunk: Buffer) =>
    this.#change(() => {
      this.arrivals.push(chunk);
      this.transcript.add('received', chunk);
    });

  readonly #onEnd = () => {
    // Where both sides have ended, there is no socket any more that could tell.
    const reset = this.#server === 'open' && this.#own === 'open' ? this.#transport.resetAtEnd() : undefined;
    if (reset !== undefined) {
      this.#stream.destroy(reset);
      return;
    }
    this.#change(() => {
      this.#server = 'ended';
      this.transcript.add('received', 'end');
    });
  };

  readonly #onClose = () => this.#change(() => (this.#own = 'gone'));

  readonly #onError = (error: NodeJS.ErrnoException) => this.#change(() => this.#fail(error));

  /** The only place where the state changes: whoever waits looks again. */
  #change(change: () => void): void {
    change();
    this.#changed();
  }

  #connected(): void {
    this.#server = 'open';
    // A closed socket no longer knows it.
    this.#localPort = this.#transport.localPort;
  }

  #secured(socket: TLSSocket): void {
    this.#server = 'open';
    this.#agreement = agreementOf(socket);
    this.transcript.add('received', 'handshake');
  }

  /** An end in the middle of a handshake comes here as well, behind the `end` event, and has been noticed then. */
  #fail(error: NodeJS.ErrnoException): void {
    // Of TLS and what is below it both may tell; the first one knows why.
    if (this.#error !== undefined) return;
    this.#error = error;
    if (this.#server === 'connecting' && error.code !== 'ECONNRESET') {
      this.#server = 'unreachable';
    } else if (this.#server !== 'ended' || !isEndOfHandshake(error)) {
      // The server, in the same event loop perhaps, may reset before the client has noticed that it is connected.
      this.#server = this.#stream !== this.#transport.stream && isTlsFailure(error) ? 'tlsError' : 'reset';
      this.transcript.add('received', 'reset');
    }
  }
}

/** The code of an error, and what OpenSSL says about it where it comes from there. */
export function reasonOf(error: Error): string {
  const { code, reason } = error as NodeJS.ErrnoException & { readonly reason?: string };
  if (code === undefined) return error.message;
  const isSystemError = (error as NodeJS.ErrnoException).syscall !== undefined;
  return isSystemError ? code : `${code}: ${reason ?? error.message}`;
}
