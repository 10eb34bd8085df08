import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { bytes } from '../codec/bytes.js';
import type { Codec } from '../codec/codec.js';
import { type Hooks, hooksOf } from '../decorators/hooks.js';
import type { Constructor } from '../decorators/metadata.js';
import {
  ConnectionClosedError,
  FrameTooLongError,
  InvalidMessageError,
  type ReagentError,
  StateError,
  TimeoutError,
  UnexpectedEndError,
} from '../errors.js';
import type { Listener } from '../listener/listener.js';
import { type Endpoint, localOf, remoteOf } from '../transport/endpoint.js';
import { passOn, readOn, resetSocket, type SocketHolder } from '../transport/held-socket.js';
import type { Admitted } from './admitted.js';
import { asError } from './as-error.js';
import {
  type CloseKind,
  type CloseReason,
  Connection,
  type RecvLengthOptions,
  type RecvOptions,
  type RecvUntilOptions,
  type SendFileOptions,
  type SocketOptions,
} from './connection.js';
import type { ConnectionHost } from './connection-host.js';
import { ConnectionStream, type StreamedConnection } from './connection-stream.js';
import { Ending } from './ending.js';
import { childEnvironment, type Environment } from './environment.js';
import { type FileSender, FileSource } from './file-source.js';
import { type HookObserver, HookRunner, type RunningHook } from './hook-runner.js';
import { Inbound } from './inbound.js';
import { MessageIterator } from './message-iterator.js';
import { Outbound, type OutboundOwner } from './outbound.js';
import { iteratorResult, PendingRead } from './pending-read.js';
import { nextMessage, type ReadRequest, readRequest, readTimeout } from './read-request.js';
import { applySocketOptions } from './socket-options.js';

/**
 * - `starting`: `@OnConnection` has not finished, or the handler is a pull-style one: what comes waits for `recv`.
 * - `open`: data goes to `@OnData`.
 * - `failing`: an error waits for `@OnError`; input is dropped.
 * - `closing`: our FIN is on its way behind what was queued; input is dropped.
 * - `closed`: the socket is gone; hooks may still have to finish.
 * - `finished`: `@OnClose` has been called, nothing follows.
 */
type Phase = 'starting' | 'open' | 'failing' | 'closing' | 'closed' | 'finished';

type AnyConnection = SocketConnection<unknown, unknown>;

let lastId = 0;

/**
 * A connection over a socket.
 *
 * All that happens to it is noted in its fields, and `#pump` decides what to do about it: it alone has hooks called.
 */
export class SocketConnection<In, Out>
  extends Connection<In, Out>
  implements Admitted, SocketHolder, OutboundOwner, HookObserver, FileSender, StreamedConnection
{
  readonly id = ++lastId;
  readonly ip: string;
  counted: boolean;
  readonly #host: ConnectionHost;
  readonly #socket: Socket;
  readonly #inbound: Inbound<In>;
  readonly #outbound: Outbound;
  readonly #runner: HookRunner;
  #codec: Codec<In, Out>;
  /** Whether the codec gives chunks as they come. */
  #direct: boolean;
  #phase: Phase = 'starting';
  /** `#pump` is at work; so too before `start`, since there is no owner yet to call hooks of. */
  #pumping = true;
  /** Input was left alone because too much waits to be sent. */
  #heldBack = false;
  /** For the `recv` that waits, if one does; made for the first. */
  #read: PendingRead | undefined;
  /** Whether anything of what follows waits to be looked at. */
  #attention = false;
  /** What `handOver` was called with, until its turn comes. */
  #nextOwner: object | undefined;
  #timedOut = false;
  #shutdownAsked = false;
  /** An error that `@OnError` has not been told of yet. */
  #error: Error | undefined;
  #started = false;
  #stopping = false;
  #reason: CloseReason | undefined;
  #socketError: Error | undefined;
  #paused = false;
  /** Whether the socket is being read. */
  #reading = false;
  #inputDropped = false;
  #highWaterMark: number;
  /** When the client was last heard, or waited for us, as `performance.now()`; kept only where there is an idle limit. */
  #lastActive = 0;
  /** When the kernel last took bytes that had to wait, as `performance.now()`. */
  #lastSent = 0;
  #environment: Environment | undefined;
  #remote: Endpoint | undefined;
  #local: Endpoint | undefined;
  #ending: Ending | undefined;
  #drainWaiters: (() => void)[] | undefined;
  #stream: ConnectionStream | undefined;
  #streamWants = false;
  #streamEnded = false;
  /** The stream waits until all of its output was sent. */
  #streamFinished: (() => void) | undefined;

  constructor(host: ConnectionHost, socket: Socket, { ip, counted }: Admitted, environment: Environment | undefined) {
    super();
    this.ip = ip;
    this.counted = counted;
    this.#host = host;
    this.#socket = socket;
    this.#environment = environment;
    this.#codec = host.codec as Codec<In, Out>;
    this.#direct = isChunked(this.#codec);
    this.#highWaterMark = host.highWaterMark;
    this.#inbound = new Inbound(this.#codec);
    this.#outbound = new Outbound(socket, this);
    this.#runner = new HookRunner(this, this);
  }

  get listener(): Listener {
    return this.#host.listener;
  }

  get env(): Environment {
    this.#environment ??= childEnvironment(this.#host.listener.env);
    return this.#environment;
  }

  get local(): Endpoint {
    if (this.#local === undefined) {
      const local = localOf(this.#socket);
      // A closed socket no longer knows its own end, which is the listener's.
      this.#local = local.address === '' ? this.#host.listener.endpoint : local;
    }
    return this.#local;
  }

  get remote(): Endpoint {
    this.#remote ??= remoteOf(this.#socket);
    return this.#remote;
  }

  get secure(): boolean {
    return false;
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  get bytesWritten(): number {
    return this.#socket.bytesWritten;
  }

  get lastActive(): number {
    return this.#lastActive;
  }

  get lastSent(): number {
    return this.#lastSent;
  }

  get signal(): AbortSignal {
    return this.#endingToTell().signal;
  }

  get closed(): Promise<CloseReason> {
    return this.#endingToTell().closed;
  }

  get codec(): Codec<In, Out> {
    return this.#codec;
  }

  set codec(codec: Codec<In, Out>) {
    this.#codec = codec;
    this.#direct = isChunked(codec);
    this.#inbound.codec = codec;
    this.#pump();
  }

  get #isClosed(): boolean {
    return this.#phase === 'closed' || this.#phase === 'finished';
  }

  get #isEnding(): boolean {
    return this.#phase === 'closing' || this.#isClosed;
  }

  /** Whether it is ending in good order, but not all that was sent has been taken. */
  get #isUndelivered(): boolean {
    return !this.#outbound.finished && (this.#reason?.kind === 'client' || this.#reason?.kind === 'server');
  }

  get #isReaderWaiting(): boolean {
    return this.#read?.waiting === true;
  }

  get #self(): AnyConnection {
    return this as AnyConnection;
  }

  #endingToTell(): Ending {
    if (this.#ending === undefined) {
      this.#ending = new Ending();
      this.#learnRemote();
      if (this.#isClosed && this.#reason !== undefined) this.#ending.tell(this.#reason);
    }
    return this.#ending;
  }

  // What the listener calls.

  /** Begins the connection's life: `@OnConnection` of its owner, and so on. */
  start(owner: object, hooks: Hooks): void {
    passOn(this.#socket, this);
    this.#touch();
    this.#host.idle?.add(this.#self);
    // The owner's constructor may have closed it: then no hook is called.
    if (!this.#isEnding) {
      this.#outbound.held = true;
      this.#enter(owner, hooks);
    }
    this.#unhold();
    this.#pump();
  }

  /** Ends a connection whose owner could not be made: no hook of it is called. */
  abandon(className: string, error: Error): void {
    this.#reason = { kind: 'error', error };
    this.#host.logger.error(this.#fields(error), `${className} could not be made for a connection`);
    passOn(this.#socket, this);
    this.#pumping = false;
    resetSocket(this.#socket);
  }

  /** The listener stops: tells `@OnShutdown`. */
  stop(): void {
    if (this.#stopping || this.#isEnding) return;
    this.#stopping = true;
    this.#shutdownAsked = true;
    this.#attention = true;
    this.#pump();
  }

  /** The time to stop in is over. */
  cutOff(): void {
    if (this.#isUndelivered) this.#reason = { kind: 'shutdown' };
    this.#resetBecause({ kind: 'shutdown' });
  }

  idleExpired(): void {
    if (this.#isEnding || this.#phase === 'failing') return;
    const handlerWaits = this.#isReaderWaiting || this.#streamWants;
    const isBusy = !handlerWaits && (this.#runner.running !== undefined || this.#stream !== undefined);
    if (isBusy || this.#paused || !this.#reading) {
      // It is the server who does not listen, and perhaps the client who waits.
      this.#keep();
      return;
    }
    this.#timedOut = true;
    this.#attention = true;
    this.#pump();
  }

  sendExpired(): void {
    if (this.#isClosed) return;
    const error = new TimeoutError('send', this.#host.send.duration);
    if (this.#reason === undefined || this.#isUndelivered) this.#reason = { kind: 'timeout', error };
    this.#tell(error);
    resetSocket(this.#socket);
  }

  lingerExpired(): void {
    this.#socket.destroy();
  }

  // What the owner calls.

  /** Hot path. */
  send(message: Out): boolean {
    const outbound = this.#outbound;
    if (outbound.ended) return false;
    this.#codec.encode(message, outbound);
    this.#host.counters.messagesOut++;
    return outbound.waiting <= this.#highWaterMark;
  }

  drained(): Promise<void> {
    return new Promise((resolve) => this.#whenDrained(resolve));
  }

  sendFile(path: string, options: SendFileOptions = {}): Promise<number> {
    this.#learnRemote();
    let file: FileSource;
    try {
      file = new FileSource(this, path, options);
    } catch (error) {
      return Promise.reject(error);
    }
    file.done.catch((error: Error) => {
      // Whoever waits for it gets the error; whoever does not is told here. That the client left is an everyday matter.
      if (!(error instanceof ConnectionClosedError)) this.#host.logger.warn(this.#fields(error), 'sendFile() failed');
    });
    if (this.#outbound.ended) {
      file.end(false);
    } else {
      this.#host.counters.messagesOut++;
      this.#outbound.writeFrom(file);
    }
    return file.done;
  }

  get stream(): Duplex {
    if (this.#stream === undefined) {
      this.#stream = new ConnectionStream(this);
      if (this.#isEnding) this.#stream.destroy();
    }
    return this.#stream;
  }

  recv(options?: RecvOptions): Promise<In | null>;
  recv(length: number): Promise<Buffer | null>;
  recv(options: RecvLengthOptions | RecvUntilOptions): Promise<Buffer | null>;
  recv(wanted?: number | RecvOptions | RecvLengthOptions | RecvUntilOptions): Promise<In | Buffer | null> {
    try {
      return this.#receive(readRequest(wanted), false, readTimeout(wanted)) as Promise<In | Buffer | null>;
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<In> {
    return new MessageIterator<In>(() => this.#receive(nextMessage, true, undefined) as Promise<IteratorResult<In>>);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#pump();
  }

  handOver(owner: object): void {
    const fault = faultOfOwner(owner);
    if (fault !== undefined) throw new StateError(`what handOver() was given ${fault}`);
    if (this.#isEnding || this.#phase === 'failing') return;
    this.#nextOwner = owner;
    this.#attention = true;
    this.#pump();
  }

  exempt(): void {
    this.#host.connectionExempt(this.#self);
  }

  setOptions(options: SocketOptions): void {
    applySocketOptions(this.#socket, options);
    if (options.highWaterMark !== undefined) {
      this.#highWaterMark = options.highWaterMark;
      this.#settleDrained();
      this.#pump();
    }
  }

  shutdown(how: 'read' | 'write' | 'both'): void {
    if (how === 'both') return this.close();
    if (how === 'write') {
      this.#outbound.end();
    } else if (how === 'read') {
      // What is dropped needs nobody's attention.
      this.#paused = false;
      this.#dropInput();
      this.#pump();
    } else {
      throw new TypeError(`shutdown() takes 'read', 'write' or 'both', not ${String(how)}`);
    }
  }

  close(): void {
    this.#close(this.#inbound.ended ? 'client' : this.#stopping ? 'shutdown' : 'server');
  }

  reset(): void {
    this.#resetBecause({ kind: this.#stopping ? 'shutdown' : 'server' });
  }

  // What the socket tells.

  /** Hot path. */
  socketReceived(chunk: Buffer): boolean {
    this.#touch();
    if (this.#inputDropped) return true;
    if (!this.#direct || !this.#receivedDirectly(chunk)) {
      this.#inbound.push(chunk);
      this.#pump();
    }
    this.#reading = this.#shouldRead();
    return this.#reading;
  }

  /** Hot path: does what `#pump` would do with a chunk that is a message and has nothing in its way, but without the queue. */
  #receivedDirectly(chunk: Buffer): boolean {
    if (this.#pumping || this.#attention || this.#paused || this.#stream !== undefined) return false;
    if (this.#inbound.length > 0 || this.#outbound.waiting > this.#highWaterMark) return false;
    if (this.#runner.running === undefined) {
      if (this.#phase !== 'open') return false;
      this.#host.counters.messagesIn++;
      this.#pumping = true;
      this.#outbound.held = true;
      this.#runner.run('data', chunk);
      this.#unhold();
      if (this.#attention) this.#pump();
      return true;
    }
    const read = this.#read;
    if (read === undefined || !read.waiting || read.request !== nextMessage || this.#runner.interrupting) return false;
    this.#host.counters.messagesIn++;
    read.settle(chunk);
    return true;
  }

  socketEnded(): void {
    this.#inbound.ended = true;
    this.#pump();
  }

  socketFailed(error: Error): void {
    this.#socketError = error;
  }

  socketClosed(): void {
    const error = this.#socketError;
    if (error !== undefined && (this.#reason === undefined || this.#isUndelivered)) {
      this.#reason = { kind: 'reset', error };
    }
    this.#reason ??= { kind: this.#inbound.ended ? 'client' : 'server' };
    this.#phase = 'closed';
    const host = this.#host;
    host.idle?.delete(this.#self);
    host.send.delete(this.#self);
    host.linger.delete(this.#self);
    this.#dropInput();
    this.#outbound.drop();
    this.#settleDrained();
    this.#releaseReader();
    host.connectionClosed(this.#self, this.#reason);
    this.#ending?.tell(this.#reason);
    this.#stream?.destroy(isOrderly(this.#reason.kind) ? undefined : asStreamError(this.#reason));
    this.#markStarted();
    this.#pump();
  }

  outboundStalled(): void {
    this.#lastSent = performance.now();
    this.#host.send.add(this.#self);
  }

  outboundMoved(): void {
    this.#lastSent = performance.now();
    if (!this.#outbound.stalled) this.#host.send.delete(this.#self);
    this.#settleDrained();
    this.#pump();
  }

  outboundFlushed(): void {
    if (this.#drainWaiters !== undefined) this.#settleDrained();
    if (this.#heldBack) this.#pump();
  }

  outboundEnded(): void {
    const tell = this.#streamFinished;
    this.#streamFinished = undefined;
    tell?.();
    this.#linger();
  }

  // What a file that is being sent tells.

  fileBroken(error: Error): void {
    if (this.#isClosed) return;
    this.#reason ??= { kind: 'error', error };
    this.#tell(error);
    resetSocket(this.#socket);
  }

  closedError(): ConnectionClosedError {
    return new ConnectionClosedError(this.#reason ?? { kind: 'server' });
  }

  // What the stream tells.

  streamWants(): void {
    this.#streamWants = true;
    this.#pump();
  }

  streamSends(chunks: readonly Uint8Array[], taken: (error?: Error) => void): void {
    if (this.#outbound.ended) {
      taken(this.closedError());
      return;
    }
    for (const chunk of chunks) this.#outbound.write(chunk);
    this.#whenDrained(taken);
  }

  streamEnds(done: () => void): void {
    if (this.#outbound.finished) {
      done();
      return;
    }
    this.#streamFinished = done;
    this.#outbound.end();
  }

  streamDestroyed(error: Error | null): void {
    if (error === null) this.close();
    else this.#resetBecause({ kind: 'server', error });
  }

  // What the hooks come to.

  hookReturned(hook: RunningHook, value: unknown): void {
    switch (hook) {
      case 'data':
      case 'shutdown':
        return;
      case 'connection':
        return this.#connectionReturned(value);
      case 'timeout':
        return this.#timeoutReturned(value);
      case 'error':
        return this.#afterError();
      case 'close':
        return this.#finish();
    }
  }

  #connectionReturned(value: unknown): void {
    if (typeof value === 'object' && value !== null && !this.#isEnding) {
      const fault = faultOfOwner(value);
      if (fault !== undefined) {
        this.hookThrew('connection', new StateError(`what @OnConnection returned ${fault}; return nothing to keep it`));
        return;
      }
      this.#nextOwner = value;
      this.#attention = true;
    }
    if (this.#nextOwner !== undefined) return;
    if (this.#runner.hooks?.data !== undefined || this.#stream !== undefined) {
      this.#opened();
    } else {
      this.#markStarted();
      this.close();
    }
  }

  hookThrew(hook: RunningHook, error: Error): void {
    // What `recv` was rejected with because of the connection's own end is no error of the hook, nor is that end thrown once more.
    const isKnown =
      error === this.#reason?.error || (error instanceof ConnectionClosedError && error.reason === this.#reason);
    if (!isKnown) this.#host.counters.handlerErrors++;
    if (hook === 'connection') this.#markStarted();
    if (hook === 'close') {
      if (!isKnown) this.#host.logger.error(this.#fields(error), '@OnClose failed');
      this.#finish();
    } else if (hook === 'error') {
      if (!isKnown) this.#host.logger.error(this.#fields(error), '@OnError failed');
      this.#afterError();
    } else if (!isKnown) {
      this.#fail(error);
    }
  }

  hookWaits(): void {
    this.#learnRemote();
  }

  hookSettled(): void {
    // The time that a hook took is not the client's.
    this.#touch();
    this.#pump();
  }

  // One place decides what happens next.

  /** Hot path: does all that there is to do, then sends what that has queued. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const outbound = this.#outbound;
    do {
      this.#heldBack = false;
      outbound.held = true;
      while (this.#step());
      outbound.held = false;
      outbound.flush();
      // What was held back may go on if the kernel has taken enough at once; if not, `outboundMoved` will come.
    } while (this.#heldBack && outbound.waiting <= this.#highWaterMark);
    this.#pumping = false;
    if (this.#drainWaiters !== undefined) this.#settleDrained();
    this.#updateReading();
  }

  #unhold(): void {
    this.#outbound.held = false;
    this.#pumping = false;
    this.#outbound.flush();
    if (this.#drainWaiters !== undefined) this.#settleDrained();
  }

  /** Does one thing; returns whether there may be more to do. */
  #step(): boolean {
    if (this.#runner.interrupting) return false;
    if (this.#runner.running !== undefined) {
      const waits = this.#isReaderWaiting || this.#stream !== undefined;
      return waits && this.#stepParked();
    }
    if (this.#phase === 'open' && !this.#attention)
      return this.#stream === undefined ? this.#stepData() : this.#stepStream();
    if (this.#error !== undefined) return this.#stepError(this.#error);
    if (this.#phase === 'closed') return this.#stepClose();
    if (this.#isEnding || this.#phase === 'failing') return false;
    if (this.#nextOwner !== undefined) return this.#stepOwner(this.#nextOwner);
    if (this.#timedOut) return this.#stepTimeout();
    if (this.#shutdownAsked) return this.#stepShutdown();
    this.#attention = false;
    return this.#phase === 'open';
  }

  /** The handler waits in `recv`, or has left the input to the stream: it goes on unless a hook comes first. */
  #stepParked(): boolean {
    if (this.#error !== undefined) return this.#stepError(this.#error);
    if (this.#isEnding) {
      this.#releaseReader();
      return false;
    }
    if (this.#timedOut) return this.#stepTimeout();
    if (this.#shutdownAsked) return this.#stepShutdown();
    // A new owner is looked at when the handler has ended.
    this.#attention = this.#nextOwner !== undefined;
    if (this.#read?.waiting) this.#serveReader(this.#read);
    else this.#stepStream();
    return false;
  }

  #stepStream(): boolean {
    const stream = this.#stream as ConnectionStream;
    try {
      while (this.#streamWants && !this.#paused) {
        const chunk = this.#inbound.takeChunk();
        if (chunk === undefined) break;
        this.#streamWants = stream.receive(chunk);
      }
      if (this.#inbound.exhausted && !this.#streamEnded) {
        this.#streamEnded = true;
        stream.receive(null);
      }
    } catch (error) {
      // Thrown by whoever listens to the stream.
      this.#fail(asError(error));
      return true;
    }
    return this.#attention && this.#runner.running === undefined;
  }

  /** Hot path: messages to `@OnData`, until there is none or something else is to be looked at. */
  #stepData(): boolean {
    const inbound = this.#inbound;
    const runner = this.#runner;
    while (this.#mayDeliver()) {
      let message: In | undefined;
      try {
        message = inbound.next();
      } catch (error) {
        this.#fail(asError(error));
        return true;
      }
      if (message === undefined) {
        if (inbound.exhausted) this.#close('client');
        return false;
      }
      this.#host.counters.messagesIn++;
      runner.run('data', message);
    }
    if (this.#outbound.waiting > this.#highWaterMark) this.#heldBack = true;
    return this.#attention && runner.running === undefined;
  }

  /** Hot path: whether a message that is there may go to `@OnData` now. */
  #mayDeliver(): boolean {
    return (
      this.#phase === 'open' &&
      this.#runner.running === undefined &&
      this.#stream === undefined &&
      !this.#attention &&
      !this.#paused &&
      this.#outbound.waiting <= this.#highWaterMark
    );
  }

  #stepError(error: Error): boolean {
    this.#error = undefined;
    if (this.#runner.hooks?.error === undefined) this.#afterError();
    else this.#runner.run('error', error);
    return true;
  }

  #stepClose(): boolean {
    this.#phase = 'finished';
    if (this.#runner.hooks?.close === undefined) this.#finish();
    else this.#runner.run('close', this.#reason);
    return false;
  }

  #stepOwner(owner: object): boolean {
    this.#nextOwner = undefined;
    this.#enter(owner, hooksOf(owner.constructor as Constructor));
    return true;
  }

  #stepTimeout(): boolean {
    this.#timedOut = false;
    if (this.#runner.hooks?.timeout === undefined) this.#idleTimeout();
    else this.#runner.run('timeout', undefined);
    return true;
  }

  #stepShutdown(): boolean {
    this.#shutdownAsked = false;
    if (this.#runner.hooks?.shutdown !== undefined) this.#runner.run('shutdown', undefined);
    return true;
  }

  // Starting.

  #enter(owner: object, hooks: Hooks): void {
    this.#runner.own(owner, hooks);
    if (hooks.close !== undefined || hooks.error !== undefined) this.#learnRemote();
    this.#phase = 'starting';
    if (hooks.connection === undefined) this.#opened();
    else this.#runner.run('connection', undefined);
    // A pull-style handler is on its own from here on.
    if (hooks.data === undefined && this.#runner.running !== undefined) this.#markStarted();
  }

  #opened(): void {
    if (this.#phase === 'starting') this.#phase = 'open';
    this.#markStarted();
  }

  /**
   * A closed socket knows its peer only if it was asked before. To ask is a good part of what a short connection costs, so it is done
   * only for those that may want to know after the end.
   */
  #learnRemote(): void {
    void this.#socket.remoteAddress;
  }

  #markStarted(): void {
    if (this.#started) return;
    this.#started = true;
    this.#host.connectionStarted(this.#self);
  }

  // Failing.

  /** Something went wrong with this connection: `@OnError` is told, then it closes. */
  #fail(error: Error): void {
    // A handler that is busy elsewhere may take long: the client is not to wait for it.
    const isBusy = this.#runner.running !== undefined && (!this.#isReaderWaiting || this.#runner.interrupting);
    this.#reason ??= { kind: error instanceof TimeoutError ? 'timeout' : 'error', error };
    this.#dropInput();
    if (!this.#isEnding) this.#phase = 'failing';
    this.#tell(error);
    if (isBusy) this.#end();
  }

  #tell(error: Error): void {
    this.#error ??= error;
    this.#attention = true;
    if (isOfTheClient(error)) {
      // An everyday matter, which any client can bring about: a line, and no stack.
      const { err: _, ...fields } = this.#fields(error);
      this.#host.logger.info({ ...fields, code: error.code, error: error.message }, 'connection failed');
    } else {
      this.#host.logger.error(this.#fields(error), 'connection failed');
    }
    this.#pump();
  }

  #fields(error: Error): { readonly err: Error } {
    const { address, port } = this.remote;
    return { listener: this.#host.listener.name, connection: this.id, remote: `${address}:${port}`, err: error } as {
      readonly err: Error;
    };
  }

  #afterError(): void {
    this.#releaseReader();
    this.#end();
  }

  #keep(): void {
    this.#touch();
    this.#host.idle?.add(this.#self);
  }

  #timeoutReturned(value: unknown): void {
    if (value === 'keep') this.#keep();
    else if (value === undefined) this.#idleTimeout();
    else
      this.#fail(
        new StateError(
          `@OnTimeout returned ${String(value)}; return 'keep' to keep the connection, or nothing to close it`,
        ),
      );
  }

  #idleTimeout(): void {
    if (!this.#isEnding) this.#fail(new TimeoutError('idle', this.#host.idle?.duration ?? 0));
  }

  /** Starts the idle time anew. Hot path, and free where there is no idle limit. */
  #touch(): void {
    if (this.#host.idle !== undefined) this.#lastActive = performance.now();
  }

  // Ending.

  #close(kind: CloseKind): void {
    if (this.#isEnding) return;
    this.#reason ??= { kind };
    this.#end();
  }

  /** Sends what is queued and our FIN; what still comes in is dropped. */
  #end(): void {
    if (this.#isEnding) return;
    this.#phase = 'closing';
    this.#markStarted();
    this.#dropInput();
    this.#releaseReader();
    this.#outbound.end();
    this.#linger();
    this.#updateReading();
  }

  /**
   * Our FIN is out, and the client's is awaited, but not for ever. Closing without that would answer bytes that are still on their
   * way with a RST, which can overtake what we sent last.
   */
  #linger(): void {
    if (this.#phase !== 'closing' || !this.#outbound.finished || this.#inbound.ended) return;
    this.#lastSent = performance.now();
    this.#host.linger.add(this.#self);
  }

  #resetBecause(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#reason ??= reason;
    this.#phase = 'closing';
    this.#outbound.drop();
    this.#dropInput();
    this.#releaseReader();
    resetSocket(this.#socket);
  }

  #finish(): void {
    this.#environment = undefined;
    this.#host.connectionFinished(this.#self);
  }

  // Reading.

  /** Hot path of pull style. */
  #receive(request: ReadRequest, iterates: boolean, timeout: number | undefined): Promise<unknown> {
    const refusal = this.#refusalToReceive();
    if (refusal !== undefined) return Promise.reject(new StateError(refusal));
    // Where nothing has come that could be taken, there is no need to try.
    if (this.#inbound.length > 0 || this.#inbound.ended || this.#inputDropped || this.#isEnding) {
      let value: unknown;
      try {
        value = this.#take(request);
      } catch (error) {
        return Promise.reject(asError(error));
      }
      if (value !== undefined) return Promise.resolve(iterates ? iteratorResult(value) : value);
    }
    this.#read ??= new PendingRead(() => this.#releaseReader());
    const promise = this.#read.wait(request, iterates, timeout ?? this.#startTimeout());
    // The time until it asked was not the client's.
    this.#touch();
    if (this.#attention) this.#pump();
    else this.#updateReading();
    return promise;
  }

  /** A push-style `@OnConnection` keeps an acceptor from others: it may not wait for a silent client for ever. */
  #startTimeout(): number | undefined {
    return this.#started ? undefined : this.#host.startTimeout;
  }

  #refusalToReceive(): string | undefined {
    if (this.#isReaderWaiting) return 'recv() was called while another recv() waits: await one before the next';
    if (this.#stream !== undefined) {
      return 'recv() was called on a connection whose stream was taken: read from conn.stream';
    }
    if (this.#runner.running === undefined && !this.#isEnding) {
      return 'recv() was called in push style outside of a hook: data goes to @OnData; leave @OnData out to read with recv()';
    }
    return undefined;
  }

  /** What `request` asks for if it is there; `undefined` if it has to be waited for. */
  #take(request: ReadRequest): unknown {
    if (this.#isEnding || this.#inputDropped) {
      const reason = this.#reason;
      if (reason === undefined || isOrderly(reason.kind)) return null;
      throw reason.error instanceof TimeoutError ? reason.error : new ConnectionClosedError(reason);
    }
    if (this.#runner.interrupting) return undefined;
    if (this.#outbound.waiting > this.#highWaterMark) {
      this.#heldBack = true;
      return undefined;
    }
    const value = this.#inbound.read(request);
    if (value === undefined) return undefined;
    if (value !== null && request.kind === 'message') this.#host.counters.messagesIn++;
    this.#updateReading();
    return value;
  }

  #serveReader(read: PendingRead): void {
    let value: unknown;
    try {
      value = this.#take(read.request);
    } catch (error) {
      read.reject(asError(error));
      return;
    }
    if (value !== undefined) read.settle(value);
    else if (read.isExpired) read.rejectExpired();
  }

  /**
   * What a `recv` waits for will not come: it gets the end of the stream, or the reason why there is none. While another hook
   * interrupts the handler, that has to wait.
   */
  #releaseReader(): void {
    if (this.#read?.waiting && !this.#runner.interrupting) this.#serveReader(this.#read);
  }

  #dropInput(): void {
    this.#inputDropped = true;
    this.#inbound.clear();
  }

  /** Calls back once no more than the high-water mark waits: now, if so already. */
  #whenDrained(callback: () => void): void {
    if (!this.#outbound.held) this.#outbound.flush();
    if (this.#outbound.waiting <= this.#highWaterMark) {
      callback();
    } else {
      this.#drainWaiters ??= [];
      this.#drainWaiters.push(callback);
    }
  }

  #settleDrained(): void {
    if (this.#drainWaiters === undefined || this.#outbound.waiting > this.#highWaterMark) return;
    const waiters = this.#drainWaiters;
    this.#drainWaiters = undefined;
    for (const resolve of waiters) resolve();
  }

  /** Has the socket read again if there is room. When there is none, the next chunk that comes stops it. */
  #updateReading(): void {
    if (this.#reading || this.#isClosed || !this.#shouldRead()) return;
    this.#reading = true;
    readOn(this.#socket);
  }

  /** Hot path. */
  #shouldRead(): boolean {
    // What is dropped is read all the same: only so does the client's FIN come through.
    if (this.#inputDropped) return true;
    if (this.#paused || this.#outbound.waiting > this.#highWaterMark) return false;
    if (this.#stream !== undefined) return this.#streamWants;
    if (this.#isReaderWaiting) return !this.#runner.interrupting;
    // In pull style, as much may wait as may wait to be sent; in push style, one chunk while a hook runs, else what is no message yet.
    if (this.#phase !== 'open') return this.#inbound.length < this.#highWaterMark;
    return this.#runner.running === undefined || this.#inbound.length === 0;
  }
}

/** Whether a codec gives chunks as they come. */
function isChunked(codec: object): boolean {
  return codec === bytes();
}

/** Whether a reader sees the end of the stream rather than an error. */
function isOrderly(kind: CloseKind): boolean {
  return kind === 'client' || kind === 'server' || kind === 'shutdown';
}

function asStreamError(reason: CloseReason): Error {
  return reason.error ?? new ConnectionClosedError(reason);
}

/** Whether an error is the client's doing rather than a fault in what serves it. */
function isOfTheClient(error: Error): error is ReagentError {
  return (
    error instanceof TimeoutError ||
    error instanceof UnexpectedEndError ||
    error instanceof FrameTooLongError ||
    error instanceof InvalidMessageError
  );
}

/** Why an object cannot own a connection; `undefined` if it can. */
function faultOfOwner(owner: unknown): string | undefined {
  const target: unknown = typeof owner === 'object' && owner !== null ? owner.constructor : undefined;
  if (typeof target !== 'function' || target === Object) {
    return `cannot own a connection: it takes an object of a class that has a method with @OnConnection or @OnData`;
  }
  const { className, connection, data } = hooksOf(target as Constructor);
  if (connection !== undefined || data !== undefined) return undefined;
  return `cannot own a connection: give ${className} a method with @OnConnection or @OnData`;
}
