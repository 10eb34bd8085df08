import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { Arrivals } from './arrivals.js';
import { bytesInWords } from './excerpt.js';
import { anyBytes, byteCount, type Expectation, exactBytes, exactText, lineOfText, pattern } from './expectation.js';
import { TestClientError } from './test-client-error.js';

export const DEFAULT_TIMEOUT_MS = 2_000;

/** Where a `TestClient` connects to: a TCP port or the path of a Unix socket. */
export type TestClientTarget = { readonly port: number; readonly host?: string } | { readonly path: string };

export interface TestClientOptions {
  /** The time limit of each call, in ms, where the call gives none. Default: 2 000. */
  readonly timeout?: number;
  /** The address that the client connects from: 127.0.0.2, say, to be another host to a limit per IP. */
  readonly localAddress?: string;
  /** What the server has logged as warnings and errors so far, to be shown in an error. */
  readonly serverErrors?: () => readonly string[];
}

export interface TimeLimit {
  /** In ms. Default: that of the client. */
  readonly timeout?: number;
}

/**
 * How a connection came to its end, seen from the client: `'end'` the server sent its FIN, `'reset'` the server reset
 * it (RST), `'client'` the client itself reset or destroyed it.
 */
export type ClosedHow = 'end' | 'reset' | 'client';

/** What one look at the connection says about what a test waits for. */
type Attempt<T> =
  | { readonly value: T }
  | { readonly problem: string; readonly mismatchAt?: number; readonly cause?: unknown }
  | 'wait';

/**
 * A client of a test: one real socket, calls that wait for what the test expects, and errors that show what did
 * arrive. It reads all the time (`pause()` stops that) and never waits longer than its time limit.
 *
 * It is half-open on purpose: after the server's FIN it can still send, and after its own `end()` still receive.
 *
 * @example
 * const client = await TestClient.connect({ port: 8080 });
 * await client.send('hello\n');
 * await client.receive('hello\n');
 * await client.end();
 * expect(await client.closed()).toBe('end');
 */
export class TestClient {
  readonly #socket: Socket;
  readonly #target: TestClientTarget;
  readonly #timeout: number;
  readonly #serverErrors: () => readonly string[];
  readonly #arrivals = new Arrivals();
  /** Looks at the connection again, for each call that is waiting. */
  readonly #waiting = new Set<() => void>();
  #server: 'connecting' | 'open' | 'ended' | 'reset' | 'unreachable' = 'connecting';
  #own: 'open' | 'ended' | 'gone' = 'open';
  #paused = false;
  #reading = false;
  #error: NodeJS.ErrnoException | undefined;
  #localPort: number | undefined;

  private constructor(target: TestClientTarget, options: TestClientOptions) {
    this.#target = target;
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT_MS;
    this.#serverErrors = options.serverErrors ?? (() => []);
    const where: NetConnectOpts =
      'path' in target
        ? { path: target.path }
        : {
            port: target.port,
            host: target.host ?? '127.0.0.1',
            ...(options.localAddress !== undefined && { localAddress: options.localAddress }),
          };
    this.#socket = connect({ ...where, allowHalfOpen: true });
    if (!('path' in target)) this.#socket.setNoDelay(true);
    this.#socket
      .on('connect', () => this.#change(() => this.#connected()))
      .on('data', (chunk) => this.#change(() => this.#arrivals.push(chunk)))
      .on('end', () => this.#change(() => (this.#server = 'ended')))
      .on('error', (error) => this.#change(() => this.#fail(error)))
      .on('close', () => this.#change(() => (this.#own = 'gone')));
  }

  /**
   * Connects to a listener. A server that resets the connection at once still counts as reached: `closed()` tells it.
   *
   * @throws TestClientError when nobody listens there, or the time limit is over.
   */
  static async connect(target: TestClientTarget, options: TestClientOptions = {}): Promise<TestClient> {
    const client = new TestClient(target, options);
    try {
      await client.#wait(`a connection to ${client.#where}`, {}, () => {
        if (client.#server === 'connecting') return 'wait';
        if (client.#server !== 'unreachable') return { value: undefined };
        return { problem: `got ${client.#error?.code ?? 'an error'}`, cause: client.#error };
      });
    } catch (error) {
      client.destroy();
      throw error;
    }
    return client;
  }

  /** All bytes that have arrived so far, taken by a call or not. */
  get received(): Buffer {
    return Buffer.from(this.#arrivals.all);
  }

  /** The port this client connects from, also when it has closed; `undefined` on a Unix socket. */
  get localPort(): number | undefined {
    return this.#localPort;
  }

  /**
   * Sends; resolves when all of it is handed to the kernel, which a server that does not read puts off.
   *
   * @throws TestClientError when the connection is reset or the time limit is over before that.
   */
  send(data: string | Uint8Array, options: TimeLimit = {}): Promise<void> {
    const done = this.#handOver((callback) => this.#socket.write(data, callback));
    return this.#wait(`to send ${bytesInWords(Buffer.byteLength(data))}`, options, done);
  }

  /** Sends a FIN after what was sent before. The client still receives. */
  end(options: TimeLimit = {}): Promise<void> {
    const done = this.#handOver((callback) => this.#socket.end(callback));
    if (this.#own === 'open') this.#change(() => (this.#own = 'ended'));
    return this.#wait('to send a FIN', options, done);
  }

  /** Resets the connection (RST): what is not sent or not read yet is lost. A Unix socket is closed, it has no RST. */
  reset(): void {
    if ('path' in this.#target) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  /** Closes the socket at once, without waiting for anything. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Stops to read, as a slow client does. While paused, the client notices neither bytes nor the end. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  /** What arrives next, or all that has arrived and no call has taken; `null` at the end of the stream. */
  recv(options: TimeLimit = {}): Promise<Buffer | null> {
    return this.#take<Buffer | null>(anyBytes(), options, { atEnd: null });
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
    return this.#wait('the connection to be closed', options, () => {
      if (this.#server === 'ended') return { value: 'end' };
      if (this.#server === 'reset') return { value: 'reset' };
      return this.#own === 'gone' ? { value: 'client' } : 'wait';
    });
  }

  /** Passes when for so many ms nothing arrives and the connection stays as it is; fails at once when something does. */
  expectNothing(ms: number): Promise<void> {
    const [server, own] = [this.#server, this.#own];
    return this.#wait(
      `nothing for ${ms} ms`,
      { timeout: ms },
      () => {
        if (this.#arrivals.pending.length > 0) return { problem: 'bytes arrived' };
        return this.#server === server && this.#own === own ? 'wait' : { problem: 'the connection changed' };
      },
      { value: undefined },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }

  /** The only place where the state of the connection changes: whoever waits looks again. */
  #change(change: () => void): void {
    change();
    for (const look of this.#waiting) look();
  }

  #connected(): void {
    this.#server = 'open';
    // A closed socket no longer knows it.
    this.#localPort = this.#socket.localPort;
  }

  #fail(error: NodeJS.ErrnoException): void {
    this.#error = error;
    // The server, in the same event loop perhaps, may reset before the client has noticed that it is connected.
    const reached = this.#server !== 'connecting' || error.code === 'ECONNRESET';
    this.#server = reached ? 'reset' : 'unreachable';
  }

  /** Starts a write; the attempt that it returns tells when the kernel has the bytes. */
  #handOver(start: (callback: (error?: Error | null) => void) => void): () => Attempt<void> {
    let outcome: Attempt<void> = 'wait';
    start((error) =>
      this.#change(() => {
        // On a socket that failed in between, Node.js calls back without an error.
        const failure = error ?? this.#error;
        outcome = failure ? { problem: `got ${codeOf(failure)}`, cause: failure } : { value: undefined };
      }),
    );
    return () => (outcome === 'wait' && this.#own === 'gone' ? { problem: 'the client is closed' } : outcome);
  }

  async #take<T>(expectation: Expectation<T>, options: TimeLimit, ending?: { readonly atEnd: T }): Promise<T> {
    if (this.#reading) throw new Error('TestClient: await the call that is reading before the next one');
    this.#reading = true;
    try {
      return await this.#wait<T>(expectation.words, options, () => {
        const found = expectation.match(this.#arrivals.pending);
        if (found === 'more') return this.#missing(ending);
        if ('mismatchAt' in found) return { problem: 'something else arrived', mismatchAt: found.mismatchAt };
        this.#arrivals.take(found.length);
        return { value: found.value };
      });
    } finally {
      this.#reading = false;
    }
  }

  #missing<T>(ending?: { readonly atEnd: T }): Attempt<T> {
    if (this.#server === 'ended') return ending ? { value: ending.atEnd } : { problem: 'the server ended first' };
    if (this.#server === 'reset') return { problem: 'the server reset the connection', cause: this.#error };
    return this.#own === 'gone' ? { problem: 'the client is closed' } : 'wait';
  }

  /**
   * Looks now and after each change until there is an answer or the time is over, which is a failure unless
   * `whenOver` says what it is.
   */
  #wait<T>(
    expected: string,
    { timeout = this.#timeout }: TimeLimit,
    attempt: () => Attempt<T>,
    whenOver: Attempt<T> = { problem: `not within ${timeout} ms` },
  ): Promise<T> {
    // Taken here, where the test's own line is still on the stack.
    const caller = new Error();
    return new Promise<T>((resolve, reject) => {
      const settle = (outcome: Attempt<T>) => {
        if (outcome === 'wait') return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        if ('value' in outcome) resolve(outcome.value);
        else reject(this.#failure(expected, outcome, caller));
      };
      const look = () => settle(attempt());
      const timer = setTimeout(() => settle(whenOver), timeout);
      this.#waiting.add(look);
      look();
    });
  }

  #failure(
    expected: string,
    outcome: { readonly problem: string; readonly mismatchAt?: number; readonly cause?: unknown },
    caller: Error,
  ): TestClientError {
    const error = new TestClientError({
      ...outcome,
      expected,
      pending: this.#arrivals.pending,
      receivedBytes: this.#arrivals.all.length,
      connection: this.#state,
      serverErrors: this.#serverErrors(),
    });
    const frames = caller.stack?.split('\n').filter((line) => line.includes(' at ') && !line.includes('TestClient.'));
    error.stack = [`${error.name}: ${error.message}`, ...(frames ?? [])].join('\n');
    return error;
  }

  get #where(): string {
    return 'path' in this.#target ? this.#target.path : `${this.#target.host ?? '127.0.0.1'}:${this.#target.port}`;
  }

  get #state(): string {
    const words: string[] = [];
    if (this.#server === 'connecting') words.push('not connected yet');
    else if (this.#server === 'unreachable') words.push('never made');
    else if (this.#server === 'reset') words.push(`reset by the server (${this.#error?.code ?? 'unknown'})`);
    else if (this.#server === 'ended') words.push('ended by the server');
    else if (this.#own === 'open') words.push('open');
    if (this.#own === 'ended') words.push('ended by the client');
    if (this.#own === 'gone' && this.#server === 'open') words.push('closed by the client');
    if (this.#paused) words.push('reading is paused');
    return `${words.join(', ')}; to ${this.#where}`;
  }
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}
