import type { X509Certificate } from 'node:crypto';
import { type Codec, proxyHeader } from '@reagent/core';
import { thrownFrom } from '../caller-stack.js';
import { testAppDefaults } from '../test-app-defaults.js';
import type { Agreement } from './client-tls.js';
import { type ClientTransport, SocketTransport } from './client-transport.js';
import { bytesInWords } from './excerpt.js';
import { anyBytes, byteCount, type Expectation, exactBytes, exactText, lineOfText, pattern } from './expectation.js';
import { Link, reasonOf } from './link.js';
import { MessageReader } from './message-reader.js';
import { TestClientError } from './test-client-error.js';
import {
  DEFAULT_TIMEOUT_MS,
  type TestClientOptions,
  type TestClientTarget,
  type TestClientTls,
  type TimeLimit,
} from './test-client-options.js';
import type { Transcript } from './transcript.js';
import { type Attempt, type Shortfall, Waits } from './waits.js';

export {
  DEFAULT_TIMEOUT_MS,
  type TestClientOptions,
  type TestClientTarget,
  type TestClientTls,
  type TimeLimit,
} from './test-client-options.js';

/** How much of what went over the connection an error shows. */
const SHOWN_TRANSCRIPT_LINES = 8;

/**
 * How a connection came to its end, seen from the client: `'end'` the server sent its FIN, `'reset'` the server reset it (RST),
 * `'tlsError'` TLS failed, mostly by an alert that the server sent, `'client'` the client itself reset or destroyed it.
 */
export type ClosedHow = 'end' | 'reset' | 'tlsError' | 'client';

/** Options of a client whose codec is known, and with it what it sends and receives. */
export type WithCodec<In, Out> = TestClientOptions<In, Out> & { readonly codec: Codec<In, Out> };

/**
 * A client of a test: one real socket, calls that wait for what the test expects, and errors that show what did
 * arrive. It reads all the time (`pause()` stops that) and never waits longer than its time limit.
 *
 * It is half-open on purpose: after the server's FIN it can still send, and after its own `end()` still receive.
 *
 * `In` is what `recv()` gives and `Out` what `send()` takes: bytes, or the messages of a codec.
 *
 * @example
 * ```ts
 * import { TestClient } from '@reagent/testing';
 *
 * const client = await TestClient.connect({ port: 8080 });
 * await client.send('hello\n');
 * await client.receive('hello\n');
 * await client.end();
 * console.log(await client.closed()); // 'end'
 * ```
 */
export class TestClient<In = Buffer, Out = string | Uint8Array> {
  readonly #link: Link;
  readonly #waits = new Waits();
  readonly #timeout: number;
  readonly #serverErrors: () => readonly string[];
  readonly #codec: Codec<In, Out> | undefined;
  readonly #messages: MessageReader<In> | undefined;
  readonly #name: string;
  #reading = false;
  /** How many sessions `nextSession()` has given. */
  #sessionsTaken = 0;

  private constructor(transport: ClientTransport, options: TestClientOptions<In, Out>) {
    this.#name = transport.name;
    this.#timeout = options.timeout ?? testAppDefaults.timeout ?? DEFAULT_TIMEOUT_MS;
    this.#serverErrors = options.serverErrors ?? (() => []);
    this.#link = new Link(transport, () => this.#waits.look());
    this.#codec = options.codec;
    this.#messages = options.codec && new MessageReader(options.codec, this.#link.arrivals);
  }

  /**
   * Connects to a listener, sends the PROXY header if there is to be one, and shakes hands if it is to be secure. A server that resets
   * the connection at once still counts as reached: `closed()` tells it.
   *
   * With TLS 1.3 a server that refuses the client's certificate does so after the handshake: the next call that waits tells.
   *
   * @throws TestClientError when nobody listens there, the handshake fails, or the time limit is over.
   */
  static connect(target: TestClientTarget, options?: TestClientOptions): Promise<TestClient>;
  static connect<In, Out>(target: TestClientTarget, options: WithCodec<In, Out>): Promise<TestClient<In, Out>>;
  static connect<In, Out>(
    target: TestClientTarget,
    options: TestClientOptions<In, Out> = {},
  ): Promise<TestClient<In, Out>> {
    return TestClient.over(new SocketTransport(target, options.localAddress), options);
  }

  /** As `connect`, over something else than a socket of its own. */
  static async over<In = Buffer, Out = string | Uint8Array>(
    transport: ClientTransport,
    options: TestClientOptions<In, Out> = {},
  ): Promise<TestClient<In, Out>> {
    const client = new TestClient<In, Out>(transport, options);
    try {
      await client.#connected();
      if (options.proxy !== undefined) await client.write(proxyBytes(options.proxy, transport));
      if (options.secure) await client.startTls(options.secure);
    } catch (error) {
      client.destroy();
      throw error;
    }
    return client;
  }

  /** All bytes that have arrived so far, decrypted, taken by a call or not. */
  get received(): Buffer {
    return Buffer.from(this.#link.arrivals.all);
  }

  /** All that was sent and received so far, in order and with its time; it grows. `String(client.transcript)` is to be read. */
  get transcript(): Transcript {
    return this.#link.transcript;
  }

  /** The port this client connects from, also when it has closed; `undefined` on a Unix socket. */
  get localPort(): number | undefined {
    return this.#link.localPort;
  }

  /** The error that ended the connection; `undefined` if it is open or has ended in peace. */
  get error(): NodeJS.ErrnoException | undefined {
    return this.#link.error;
  }

  /** Whether the connection is encrypted. */
  get secure(): boolean {
    return this.#agreement !== undefined;
  }

  /** `'TLSv1.3'`, say; `undefined` where the connection is not encrypted. */
  get tlsVersion(): string | undefined {
    return this.#agreement?.tlsVersion;
  }

  /** The protocol that the server has chosen of those in `secure.alpn`; `undefined` if none. */
  get alpnProtocol(): string | undefined {
    return this.#agreement?.alpnProtocol;
  }

  /** Whether the server's certificate is right; `undefined` where the connection is not encrypted. */
  get authorized(): boolean | undefined {
    return this.#agreement?.authorized;
  }

  /** Why the server's certificate is not right, such as `'CERT_HAS_EXPIRED'`; `undefined` if it is. */
  get authorizationError(): string | undefined {
    return this.#agreement?.authorizationError;
  }

  /** The server's certificate. */
  get peerCertificate(): X509Certificate | undefined {
    return this.#agreement?.peerCertificate;
  }

  /** Whether `secure.session` was resumed; `undefined` where the connection is not encrypted. */
  get sessionReused(): boolean | undefined {
    return this.#agreement?.sessionReused;
  }

  /** The last session that the server has given; `undefined` if none yet. With TLS 1.3 it comes behind the handshake. */
  get session(): Buffer | undefined {
    return this.#link.sessions.at(-1);
  }

  /** The next session that the server gives, or has given and this call has not. */
  nextSession(options: TimeLimit = {}): Promise<Buffer> {
    return this.#wait('a TLS session', options, () => {
      const session = this.#link.sessions[this.#sessionsTaken];
      if (session === undefined) return this.#missing();
      this.#sessionsTaken += 1;
      return { value: session };
    });
  }

  /**
   * Encrypts a connection that is open (STARTTLS). What has arrived before stays to be taken.
   *
   * @throws TestClientError when the handshake fails or the time limit is over.
   */
  async startTls(secure: true | TestClientTls = true, options: TimeLimit = {}): Promise<void> {
    const link = this.#link;
    if (link.agreement !== undefined) throw new Error('TestClient: the connection is encrypted already');
    if (link.server === 'open' && link.own === 'open') link.secure(secure === true ? {} : secure);
    return this.#wait(`a TLS handshake with ${this.#name}`, options, () =>
      // The server may have shaken hands and ended in one go.
      link.agreement === undefined ? this.#missing() : { value: undefined },
    );
  }

  /**
   * Sends bytes, or a message where there is a codec; resolves when all of it is handed to the kernel, which a server that does not
   * read puts off.
   *
   * @throws TestClientError when the connection is reset or the time limit is over before that, or the codec refuses the message.
   */
  send(message: Out, options: TimeLimit = {}): Promise<void> {
    // Without a codec, messages are bytes.
    if (this.#codec === undefined) return this.write(message as string | Uint8Array, options);
    const pieces: Buffer[] = [];
    try {
      this.#codec.encode(message, { write: (piece) => pieces.push(Buffer.from(piece as Uint8Array)) });
    } catch (cause) {
      return this.#wait('to send a message', options, () => refusal('the message', cause));
    }
    return this.write(Buffer.concat(pieces), options);
  }

  /** Sends bytes as they are, also where there is a codec; otherwise as `send`. */
  write(data: string | Uint8Array, options: TimeLimit = {}): Promise<void> {
    const done = this.#handOver((callback) => this.#link.write(data, callback));
    return this.#wait(`to send ${bytesInWords(Buffer.byteLength(data))}`, options, done);
  }

  /** Sends a FIN after what was sent before. The client still receives. */
  end(options: TimeLimit = {}): Promise<void> {
    const done = this.#handOver((callback) => this.#link.end(callback));
    return this.#wait('to send a FIN', options, done);
  }

  /** Resets the connection (RST): what is not sent or not read yet is lost. A Unix socket is closed, it has no RST. */
  reset(): void {
    this.#link.reset();
  }

  /** Closes the socket at once, without waiting for anything. */
  destroy(): void {
    this.#link.destroy();
  }

  /** Stops to read, as a slow client does. While paused, the client notices neither bytes nor the end. */
  pause(): void {
    this.#link.pause();
  }

  resume(): void {
    this.#link.resume();
  }

  /**
   * The next message where there is a codec, else what arrives next, or all that has arrived and no call has taken; `null` at the end of
   * the stream.
   *
   * @throws TestClientError when the codec refuses what arrived, of which nothing is taken then.
   */
  recv(options: TimeLimit = {}): Promise<In | null> {
    const messages = this.#messages;
    // Without a codec, messages are bytes.
    if (messages === undefined)
      return this.#take(anyBytes() as Expectation<unknown> as Expectation<In>, options, { atEnd: null });
    return this.#read<In | null>('a message', options, () => {
      try {
        const message = messages.next(this.#link.server === 'ended');
        return message === undefined ? this.#missing({ atEnd: null }) : { value: message };
      } catch (cause) {
        return refusal('what arrived', cause);
      }
    });
  }

  /** Exactly this many bytes. What comes after them is kept for the next call. */
  receive(expected: number, options?: TimeLimit): Promise<Buffer>;
  /** The next bytes, which must be exactly these: fails at the first byte that differs. */
  receive(expected: Uint8Array, options?: TimeLimit): Promise<Buffer>;
  /** The next text, which must be exactly this: fails at the first byte that differs. */
  receive(expected: string, options?: TimeLimit): Promise<string>;
  /** All up to the end of the first match of this pattern. It is tried on each arrival, so end it with a delimiter. */
  receive(expected: RegExp, options?: TimeLimit): Promise<RegExpExecArray>;
  receive(
    expected: number | string | Uint8Array | RegExp,
    options: TimeLimit = {},
  ): Promise<Buffer | string | RegExpExecArray> {
    if (typeof expected === 'number') return this.#take(byteCount(expected), options);
    if (typeof expected === 'string') return this.#take(exactText(expected), options);
    if (expected instanceof RegExp) return this.#take(pattern(expected), options);
    return this.#take(exactBytes(Buffer.from(expected)), options);
  }

  /** The next line, without its `\n` or `\r\n`. */
  line(options: TimeLimit = {}): Promise<string> {
    return this.#take(lineOfText(), options);
  }

  /**
   * Waits until the server has ended or reset the connection, and tells which. Bytes that were not taken stay. A
   * paused client must `resume()` first.
   */
  closed(options: TimeLimit = {}): Promise<ClosedHow> {
    const link = this.#link;
    return this.#wait('the connection to be closed', options, () => {
      if (link.server === 'ended') return { value: 'end' };
      if (link.server === 'reset' || link.server === 'tlsError') return { value: link.server };
      return link.own === 'gone' ? { value: 'client' } : 'wait';
    });
  }

  /** Passes when for so many ms nothing arrives and the connection stays as it is; fails at once when something does. */
  expectNothing(ms: number): Promise<void> {
    const link = this.#link;
    const { server, own } = link;
    return this.#wait(
      `nothing for ${ms} ms`,
      { timeout: ms },
      () => {
        if (link.arrivals.pending.length > 0) return { problem: 'bytes arrived' };
        return link.server === server && link.own === own ? 'wait' : { problem: 'the connection changed' };
      },
      { value: undefined },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }

  get #agreement(): Agreement | undefined {
    return this.#link.agreement;
  }

  #connected(): Promise<void> {
    const link = this.#link;
    return this.#wait(`a connection to ${this.#name}`, {}, () => {
      if (link.server === 'connecting') return 'wait';
      if (link.server !== 'unreachable') return { value: undefined };
      return { problem: `got ${link.error === undefined ? 'an error' : reasonOf(link.error)}`, cause: link.error };
    });
  }

  /** Starts a write; the attempt that it returns tells when the kernel has the bytes. */
  #handOver(start: (callback: (error?: Error | null) => void) => void): () => Attempt<void> {
    let outcome: Attempt<void> = 'wait';
    start((error) => {
      // On a socket that failed in between, Node.js calls back without an error.
      const failure = error ?? this.#link.error;
      outcome = failure ? { problem: `got ${reasonOf(failure)}`, cause: failure } : { value: undefined };
      this.#waits.look();
    });
    return () => (outcome === 'wait' && this.#link.own === 'gone' ? { problem: 'the client is closed' } : outcome);
  }

  #take<T, E = never>(expectation: Expectation<T>, options: TimeLimit, ending?: { readonly atEnd: E }): Promise<T | E> {
    return this.#read<T | E>(expectation.words, options, () => {
      const found = expectation.match(this.#link.arrivals.pending);
      if (found === 'more') return this.#missing(ending);
      if ('mismatchAt' in found) return { problem: 'something else arrived', ...found };
      this.#link.arrivals.take(found.length);
      return { value: found.value };
    });
  }

  async #read<T>(expected: string, options: TimeLimit, attempt: () => Attempt<T>): Promise<T> {
    if (this.#reading) throw new Error('TestClient: await the call that is reading before the next one');
    this.#reading = true;
    try {
      return await this.#wait(expected, options, attempt);
    } finally {
      this.#reading = false;
    }
  }

  /** What it means that not enough has arrived: nothing yet, as long as more may come. */
  #missing<E = never>(ending?: { readonly atEnd: E }): Attempt<E> {
    const { server, own, error } = this.#link;
    if (server === 'ended') return ending ? { value: ending.atEnd } : { problem: 'the server ended first' };
    if (server === 'reset') return { problem: 'the server reset the connection', cause: error };
    if (server === 'tlsError') return { problem: `got ${error ? reasonOf(error) : 'an alert'}`, cause: error };
    return own === 'gone' ? { problem: 'the client is closed' } : 'wait';
  }

  #wait<T>(
    expected: string,
    { timeout = this.#timeout }: TimeLimit,
    attempt: () => Attempt<T>,
    whenOver: Exclude<Attempt<T>, 'wait'> = { problem: `not within ${timeout} ms` },
  ): Promise<T> {
    // Taken here, where the test's own line is still on the stack.
    const caller = new Error();
    return this.#waits.until(timeout, attempt, whenOver, (shortfall) => this.#failure(expected, shortfall, caller));
  }

  #failure(expected: string, shortfall: Shortfall, caller: Error): TestClientError {
    const { arrivals, transcript } = this.#link;
    const error = new TestClientError({
      ...shortfall,
      expected,
      pending: arrivals.pending,
      receivedBytes: arrivals.length,
      connection: String(this.#link),
      transcript: transcript.tail(SHOWN_TRANSCRIPT_LINES),
      serverErrors: this.#serverErrors(),
    });
    return thrownFrom(caller, error);
  }
}

function refusal(what: string, cause: unknown): Shortfall {
  return { problem: `the codec refused ${what}: ${cause instanceof Error ? cause.message : String(cause)}`, cause };
}

/** The bytes of a PROXY header, which leads to where the client has connected if it does not say where to. */
function proxyBytes(proxy: NonNullable<TestClientOptions['proxy']>, { remote }: ClientTransport): Uint8Array | string {
  if (typeof proxy === 'string' || proxy instanceof Uint8Array) return proxy;
  const isOpenEnded = proxy.source !== undefined && proxy.destination === undefined;
  return proxyHeader(isOpenEnded ? { ...proxy, destination: remote } : proxy);
}
