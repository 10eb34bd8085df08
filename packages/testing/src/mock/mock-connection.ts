import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import {
  bytes,
  type CloseReason,
  type Codec,
  Connection,
  ConnectionClosedError,
  type Endpoint,
  type Environment,
  type Listener,
  type PeerCertificate,
  type ProxyHeader,
  type RecvLengthOptions,
  type RecvOptions,
  type RecvUntilOptions,
  type SendFileOptions,
  type SocketOptions,
  StateError,
  TimeoutError,
  TlsError,
  type TlsOptions,
} from '@reagent/core';
import { BackpressureError } from '../backpressure-error.js';
import { DEFAULT_SEND_LIMIT } from '../send-limit.js';
import { MockInbound, type MockRequest } from './mock-inbound.js';
import { MockListener } from './mock-listener.js';
import { MockStream, type MockStreamOwner } from './mock-stream.js';

/** What a connection of an application has where its descriptor says nothing else, in bytes. */
const DEFAULT_HIGH_WATER_MARK = 65_536;
/** Default of `recv({ until, maxLength })`, in bytes. */
const UNTIL_MAX_LENGTH = 65_536;
/** The longest delay of Node.js's timers, in ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const FULL_READ: MockRequest = { kind: 'message' };

export interface MockConnectionOptions {
  /** Default: one of its own, as `mockListener()` makes it. */
  readonly listener?: Listener;
  /** Default: port 50000 of 127.0.0.1. */
  readonly remote?: Endpoint;
  /** Default: the listener's. */
  readonly local?: Endpoint;
  /** Default: the listener's. */
  readonly secure?: boolean;
  readonly alpnProtocol?: string;
  readonly serverName?: string;
  readonly peerCertificate?: PeerCertificate;
  readonly proxy?: ProxyHeader;
  /** Bytes that may wait while it is stalled before `send()` returns `false`. Default: 65 536. */
  readonly highWaterMark?: number;
}

/** A `recv` that waits. */
interface MockReader {
  readonly request: MockRequest;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout | undefined;
}

let lastId = 0;

/**
 * A connection without a socket and without an application, made by `mockConnection`: a test calls the methods of a reagent with it,
 * plays the client, and looks at what was sent. The hooks are the test's to call.
 *
 * The client takes everything at once (`stall()` stops that), and ends its side as soon as the server has.
 */
export class MockConnection<In = Buffer, Out = Uint8Array | string>
  extends Connection<In, Out>
  implements MockStreamOwner
{
  /** Below zero, where no connection of an application has one. */
  readonly id = --lastId;
  readonly listener: Listener;
  /** Stays when the connection has closed, to be looked at. */
  readonly env: Environment;
  readonly remote: Endpoint;
  readonly local: Endpoint;
  readonly proxy: ProxyHeader | undefined;
  readonly alpnProtocol: string | undefined;
  readonly serverName: string | undefined;
  readonly closed: Promise<CloseReason>;
  readonly #peerCertificate: PeerCertificate | undefined;
  readonly #abort = new AbortController();
  readonly #inbound: MockInbound<In>;
  readonly #sent: Out[] = [];
  readonly #pieces: Buffer[] = [];
  #codec: Codec<In, Out>;
  /** `closing`: `close()` was called, and not all that was sent has been taken. */
  #phase: 'open' | 'closing' | 'closed' = 'open';
  #reason: CloseReason | undefined;
  #tellClosed: (reason: CloseReason) => void = () => undefined;
  #secure: boolean;
  #startedTls: TlsOptions | undefined;
  #inputDropped = false;
  #outputEnded = false;
  #wasReset = false;
  #paused = false;
  #exempted = false;
  #owner: object | undefined;
  #options: SocketOptions = {};
  #highWaterMark: number;
  #bytesRead = 0;
  #stalled = false;
  /** Bytes sent since it is stalled. */
  #waiting = 0;
  /** What the client did while the connection was paused. */
  #held: (() => void)[] = [];
  #drainWaiters: (() => void)[] = [];
  #reader: MockReader | undefined;
  #stream: MockStream | undefined;
  #streamWants = false;
  #streamEnded = false;

  /** Made by `mockConnection`. */
  constructor(codec: Codec<In, Out>, options: MockConnectionOptions = {}) {
    super();
    const {
      listener = new MockListener(),
      secure = listener.secure,
      highWaterMark = DEFAULT_HIGH_WATER_MARK,
    } = options;
    this.listener = listener;
    this.env = Object.create(listener.env) as Environment;
    this.remote = options.remote ?? { address: '127.0.0.1', port: 50_000, family: 'IPv4' };
    this.local = options.local ?? listener.endpoint;
    this.proxy = options.proxy;
    this.alpnProtocol = options.alpnProtocol;
    this.serverName = options.serverName;
    this.#peerCertificate = options.peerCertificate;
    this.#secure = secure;
    this.#highWaterMark = highWaterMark;
    this.#codec = codec;
    this.#inbound = new MockInbound(codec);
    this.closed = new Promise((resolve) => {
      this.#tellClosed = resolve;
    });
    if (listener instanceof MockListener) listener.add(this as Connection<unknown, unknown>);
  }

  // What the test looks at.

  /** The messages sent, in order. What was sent after the end is dropped and not among them. */
  get sent(): readonly Out[] {
    return this.#sent;
  }

  /** All that was sent, as the bytes that the codec makes of it; files and what was written to the stream included. */
  get sentBytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  /** Whether our side has ended: by `close()`, `shutdown('write')` or the end of the stream. */
  get finished(): boolean {
    return this.#outputEnded;
  }

  /** Whether `reset()` was called. */
  get wasReset(): boolean {
    return this.#wasReset;
  }

  /** Whether `pause()` was called, and not `resume()` after it. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Whether `exempt()` was called. */
  get exempted(): boolean {
    return this.#exempted;
  }

  /** What `handOver()` was called with last. */
  get owner(): object | undefined {
    return this.#owner;
  }

  /** What `setOptions()` was called with, the last of each option. */
  get options(): SocketOptions {
    return this.#options;
  }

  /** What `startTls()` was called with; `{}` if it was called without options, `undefined` if it was not called. */
  get startedTls(): TlsOptions | undefined {
    return this.#startedTls;
  }

  // What the client does.

  /**
   * The client sends these messages. They are not encoded, so any codec will do, and `recv(n)` reads them only if they are bytes.
   *
   * @throws StateError after `end()`, or while bytes from `receiveBytes` wait to be taken
   */
  receive(...messages: In[]): void {
    this.#asClient(() => {
      for (const message of messages) {
        this.#inbound.pushMessage(message);
        if (message instanceof Uint8Array) this.#bytesRead += message.length;
      }
    });
  }

  /**
   * The client sends these bytes: the codec makes messages of them.
   *
   * @throws StateError after `end()`
   */
  receiveBytes(bytes: Uint8Array | string): void {
    this.#asClient(() => {
      this.#inbound.pushBytes(bytes);
      this.#bytesRead += Buffer.byteLength(bytes);
    });
  }

  /** The client ends its side. `recv` gives what is left, then `null`. */
  end(): void {
    this.#asClient(() => {
      this.#inbound.ended = true;
    });
  }

  /**
   * The connection closes at once, for whatever reason. Default: the client resets it.
   *
   * @example
   * ```ts
   * import { TimeoutError } from '@reagent/core';
   * import { mockConnection } from '@reagent/testing';
   *
   * const conn = mockConnection();
   * conn.failWith({ kind: 'timeout', error: new TimeoutError('idle', 60_000) });
   * ```
   */
  failWith(reason: CloseReason = { kind: 'reset', error: resetError() }): void {
    if (this.#phase === 'closed') return;
    this.#reason = reason;
    this.#close();
  }

  /**
   * The client takes nothing of what is sent from now on, until `unstall()`. A handler that does not heed what `send()` returns gets a
   * BackpressureError when 64 MiB wait.
   */
  stall(): void {
    this.#stalled = true;
  }

  /** The client takes all that waits, and all that is sent from now on. */
  unstall(): void {
    this.#stalled = false;
    this.#waiting = 0;
    this.#settleDrained();
    if (this.#phase === 'closing') this.#close();
    else this.#closeIfBothEnded();
  }

  // What the handler does.

  get secure(): boolean {
    return this.#secure;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  get bytesWritten(): number {
    return this.#pieces.reduce((sum, piece) => sum + piece.length, 0);
  }

  get bytesWaiting(): number {
    return this.#waiting;
  }

  peerCertificate(): PeerCertificate | undefined {
    return this.#peerCertificate;
  }

  get codec(): Codec<In, Out> {
    return this.#codec;
  }

  set codec(codec: Codec<In, Out>) {
    this.#codec = codec;
    this.#inbound.codec = codec;
    this.#serve();
  }

  send(message: Out): boolean {
    if (this.#outputEnded) return false;
    if (this.#waiting > DEFAULT_SEND_LIMIT) throw new BackpressureError(unheeded(this.#waiting));
    const pieces: Buffer[] = [];
    this.#codec.encode(message, { write: (piece) => pieces.push(bytesOf(piece)) });
    this.#sent.push(message);
    this.#write(pieces);
    return !this.#isFull;
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isFull) this.#drainWaiters.push(resolve);
      else resolve();
    });
  }

  async sendFile(path: string, { offset = 0, size }: SendFileOptions = {}): Promise<number> {
    for (const [name, value] of Object.entries({ offset, size })) {
      if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) continue;
      throw new RangeError(`sendFile({ ${name} }) takes a whole number of bytes from 0 on, not ${value}`);
    }
    if (this.#outputEnded) throw this.#closedError();
    // Read at once, so that what is sent next comes behind it.
    const file = readFileSync(path);
    const end = offset + (size ?? Math.max(0, file.length - offset));
    if (end > file.length) {
      throw new RangeError(`${path} has ${file.length} bytes, not the ${end} that offset and size ask for`);
    }
    this.#write([file.subarray(offset, end)]);
    return end - offset;
  }

  get stream(): Duplex {
    if (this.#stream === undefined) {
      this.#stream = new MockStream(this);
      if (this.#phase !== 'open') this.#stream.destroy();
    }
    return this.#stream;
  }

  recv(options?: RecvOptions): Promise<In | null>;
  recv(length: number): Promise<Buffer | null>;
  recv(options: RecvLengthOptions | RecvUntilOptions): Promise<Buffer | null>;
  recv(wanted?: number | RecvOptions | RecvLengthOptions | RecvUntilOptions): Promise<In | Buffer | null> {
    return new Promise((resolve, reject) => {
      const request = requestOf(wanted);
      const timeout = timeoutOf(wanted);
      if (this.#reader !== undefined) {
        throw new StateError('recv() was called while another recv() waits: await one before the next');
      }
      if (this.#stream !== undefined) {
        throw new StateError('recv() was called on a connection whose stream was taken: read from conn.stream');
      }
      const value = this.#take(request);
      if (value !== undefined) {
        this.#closeIfBothEnded();
        resolve(value as In | Buffer | null);
        return;
      }
      const late = () => this.#settleReader((reader) => reader.reject(new TimeoutError('recv', timeout)));
      const timer = timeout > LONGEST_TIMER_MS ? undefined : setTimeout(late, timeout);
      this.#reader = { request, resolve: resolve as (value: unknown) => void, reject, timer };
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<In, void, undefined> {
    for (let message = await this.recv(); message !== null; message = await this.recv()) yield message;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const act of this.#held.splice(0)) act();
    this.#serve();
  }

  handOver(owner: object): void {
    const target: unknown = typeof owner === 'object' && owner !== null ? owner.constructor : undefined;
    if (typeof target !== 'function' || target === Object) {
      throw new StateError(
        'what handOver() was given cannot own a connection: it takes an object of a class that has a method with @OnConnection or @OnData',
      );
    }
    if (this.#phase === 'open') this.#owner = owner;
  }

  /** The handshake succeeds at once: `secure` is `true` from then on. */
  async startTls(options: TlsOptions = {}): Promise<void> {
    if (this.#secure) throw new StateError('startTls() was called on a connection that is encrypted already');
    if (this.#outputEnded || this.#phase !== 'open') throw new StateError('startTls() was called after the end');
    if (this.#reader !== undefined || this.#stream !== undefined) {
      throw new StateError('startTls() was called while recv() or conn.stream reads');
    }
    if (!this.#inbound.isEmpty) {
      const error = new TlsError('plaintext');
      this.failWith({ kind: 'error', error });
      throw error;
    }
    this.#startedTls = options;
    this.#secure = true;
  }

  exempt(): void {
    this.#exempted = true;
  }

  setOptions(options: SocketOptions): void {
    this.#options = { ...this.#options, ...options };
    this.#highWaterMark = options.highWaterMark ?? this.#highWaterMark;
    this.#settleDrained();
  }

  shutdown(how: 'read' | 'write' | 'both'): void {
    if (how === 'both') return this.close();
    if (how === 'write') {
      this.#outputEnded = true;
      this.#closeIfBothEnded();
    } else if (how === 'read') {
      this.#dropInput();
    } else {
      throw new TypeError(`shutdown() takes 'read', 'write' or 'both', not ${String(how)}`);
    }
  }

  close(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'closing';
    this.#reason ??= { kind: this.#inbound.ended ? 'client' : 'server' };
    this.#outputEnded = true;
    this.#dropInput();
    if (this.#waiting === 0) this.#closeSoon();
  }

  reset(): void {
    if (this.#phase === 'closed') return;
    this.#wasReset = true;
    this.#reason ??= { kind: 'server' };
    this.#phase = 'closing';
    this.#outputEnded = true;
    this.#dropInput();
    this.#closeSoon();
  }

  // What the stream does.

  streamWants(): void {
    this.#streamWants = true;
    this.#serve();
  }

  streamSends(chunk: Buffer): void {
    if (!this.#outputEnded) this.#write([Buffer.from(chunk)]);
  }

  streamEnds(): void {
    this.shutdown('write');
  }

  streamDestroyed(error: Error | null): void {
    if (error !== null) this.#reason ??= { kind: 'server', error };
    if (error === null) this.close();
    else this.reset();
  }

  // Inside.

  get #isFull(): boolean {
    return this.#stalled && this.#waiting > this.#highWaterMark;
  }

  /** Does what the client does, now or, while the connection is not read, later. */
  #asClient(act: () => void): void {
    if (this.#inbound.ended)
      throw new StateError('the client of this mock connection has ended its side: end() was called');
    // As on a real one, what arrives after the end is dropped.
    if (this.#phase !== 'open') return;
    if (this.#paused) {
      this.#held.push(act);
      return;
    }
    act();
    if (this.#inputDropped) this.#inbound.clear();
    this.#serve();
    this.#closeIfBothEnded();
  }

  #write(pieces: readonly Buffer[]): void {
    this.#pieces.push(...pieces);
    if (this.#stalled) this.#waiting += pieces.reduce((sum, piece) => sum + piece.length, 0);
  }

  #take(request: MockRequest): unknown {
    if (this.#phase !== 'open' || this.#inputDropped) {
      const reason = this.#reason;
      if (reason === undefined || isOrderly(reason)) return null;
      throw reason.error instanceof TimeoutError ? reason.error : this.#closedError();
    }
    return this.#inbound.read(request);
  }

  /** Gives what there is to the one who waits for it. */
  #serve(): void {
    if (this.#reader !== undefined) {
      let value: unknown;
      try {
        value = this.#take(this.#reader.request);
      } catch (error) {
        this.#settleReader((reader) => reader.reject(error));
        return;
      }
      if (value !== undefined) this.#settleReader((reader) => reader.resolve(value));
    } else if (this.#stream !== undefined && this.#streamWants && this.#phase === 'open') {
      this.#feed(this.#stream);
    }
  }

  #settleReader(settle: (reader: MockReader) => void): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    this.#reader = undefined;
    clearTimeout(reader.timer);
    settle(reader);
  }

  #feed(stream: MockStream): void {
    if (!this.#inbound.isEmpty) this.#streamWants = stream.push(this.#inbound.takeBytes());
    if (!this.#inbound.exhausted || this.#streamEnded) return;
    this.#streamEnded = true;
    stream.push(null);
  }

  #dropInput(): void {
    this.#inputDropped = true;
    this.#inbound.clear();
    this.#serve();
  }

  #settleDrained(): void {
    if (this.#isFull) return;
    for (const resolve of this.#drainWaiters.splice(0)) resolve();
  }

  #closeIfBothEnded(): void {
    if (this.#phase !== 'open' || !this.#inbound.ended || !this.#outputEnded || this.#waiting > 0) return;
    // What was received is still there to be taken; without it, there is nothing left to be done.
    if (!this.#inbound.isEmpty) return;
    this.#reason ??= { kind: 'client' };
    this.#closeSoon();
  }

  /** A real one closes behind the call too. */
  #closeSoon(): void {
    void Promise.resolve().then(() => this.#close());
  }

  #close(): void {
    if (this.#phase === 'closed') return;
    const reason = this.#reason ?? { kind: 'server' };
    this.#phase = 'closed';
    this.#outputEnded = true;
    this.#waiting = 0;
    this.#stalled = false;
    this.#held = [];
    this.#dropInput();
    this.#settleDrained();
    if (this.listener instanceof MockListener) this.listener.delete(this as Connection<unknown, unknown>);
    this.#abort.abort(reason);
    this.#tellClosed(reason);
    this.#stream?.destroy(isOrderly(reason) ? undefined : (reason.error ?? this.#closedError()));
  }

  #closedError(): ConnectionClosedError {
    return new ConnectionClosedError(this.#reason ?? { kind: 'server' });
  }
}

/**
 * A connection for the unit test of a handler, without an application and without a socket.
 *
 * @example
 * ```ts
 * import { type Connection, lines } from '@reagent/core';
 * import { mockConnection } from '@reagent/testing';
 *
 * class Greeter {
 *   greet(conn: Connection<string>, name: string) {
 *     conn.send(`hello, ${name}`);
 *   }
 * }
 *
 * const conn = mockConnection(lines());
 * new Greeter().greet(conn, 'Ada');
 * console.log(conn.sent); // ['hello, Ada']
 * ```
 *
 * @param codec Default: `bytes()`.
 */
export function mockConnection(): MockConnection;
export function mockConnection<In, Out>(
  codec: Codec<In, Out>,
  options?: MockConnectionOptions,
): MockConnection<In, Out>;
export function mockConnection(
  codec: Codec<unknown, unknown> = bytes() as Codec<unknown, unknown>,
  options?: MockConnectionOptions,
): MockConnection<unknown, unknown> {
  return new MockConnection(codec, options);
}

/** Whether a reader sees the end of the stream rather than an error. */
function isOrderly({ kind }: CloseReason): boolean {
  return kind === 'client' || kind === 'server' || kind === 'shutdown';
}

function unheeded(waiting: number): string {
  return `${waiting} bytes wait to be sent to a client that was stalled: where send() returns false, await conn.drained()`;
}

function resetError(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' });
}

function bytesOf(piece: Uint8Array | string): Buffer {
  if (typeof piece !== 'string' && !((piece as unknown) instanceof Uint8Array)) {
    throw new TypeError(
      `expected text or bytes to send, received ${String(piece)}; to send values, set a codec, such as lines().pipe(json())`,
    );
  }
  return Buffer.from(piece as Uint8Array);
}

function requestOf(wanted: number | RecvOptions | RecvLengthOptions | RecvUntilOptions | undefined): MockRequest {
  if (typeof wanted === 'number') return lengthRequest(wanted);
  if (wanted === undefined) return FULL_READ;
  if ('length' in wanted) return lengthRequest(wanted.length);
  if (!('until' in wanted)) return FULL_READ;
  const { until, maxLength = UNTIL_MAX_LENGTH } = wanted;
  if (until.length === 0) throw new RangeError('recv({ until }) takes a delimiter of at least one byte');
  return { kind: 'until', delimiter: Buffer.from(until), maxLength };
}

function lengthRequest(length: number): MockRequest {
  if (Number.isSafeInteger(length) && length >= 0) return { kind: 'length', length };
  throw new RangeError(`recv() takes a whole number of bytes from 0 on, not ${length}`);
}

function timeoutOf(wanted: number | RecvOptions | undefined): number {
  const timeout = typeof wanted === 'object' ? (wanted.timeout ?? Infinity) : Infinity;
  if (timeout >= 0) return timeout;
  throw new RangeError(`recv({ timeout }) takes milliseconds from 0 on, or Infinity, not ${timeout}`);
}
