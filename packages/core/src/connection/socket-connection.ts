import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { bytes } from '../codec/bytes.js';
import type { Codec } from '../codec/codec.js';
import { type Hooks, hooksOf } from '../decorators/hooks.js';
import type { Constructor } from '../decorators/metadata.js';
import { ConnectionClosedError, StateError, TimeoutError, TlsError } from '../errors.js';
import { channels } from '../telemetry/channels.js';
import {
  destroyIfReset,
  endReading,
  hold,
  nobody,
  passOn,
  readOn,
  resetSocket,
  type SocketHolder,
} from '../transport/held-socket.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';
import type { Admitted } from './admitted.js';
import { asError } from './as-error.js';
import {
  type CloseKind,
  type CloseReason,
  type RecvLengthOptions,
  type RecvOptions,
  type RecvUntilOptions,
  type SendFileOptions,
  type SocketOptions,
} from './connection.js';
import type { ConnectionHost } from './connection-host.js';
import type { Environment } from './environment.js';
import { faultOfOwner, isOfTheClient, isOrderly } from './faults.js';
import { type FileSender, FileSource } from './file-source.js';
import { type HookObserver, HookRunner, type RunningHook } from './hook-runner.js';
import { Inbound } from './inbound.js';
import { MessageIterator } from './message-iterator.js';
import { Outbound, type OutboundOwner } from './outbound.js';
import { iteratorResult, PendingRead } from './pending-read.js';
import { nextMessage, type ReadRequest, readRequest, readTimeout } from './read-request.js';
import { SocketFacts } from './socket-facts.js';
import { applySocketOptions } from './socket-options.js';
import { type LinkedConnection, StreamLink } from './stream-link.js';
import { TlsUpgrade, type UpgradingConnection } from './tls-upgrade.js';

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

/**
 * A connection over a socket.
 *
 * All that happens to it is noted in its fields, and `#pump` decides what to do about it: it alone has hooks called.
 */
export class SocketConnection<In, Out>
  extends SocketFacts<In, Out>
  implements SocketHolder, OutboundOwner, HookObserver, FileSender, LinkedConnection, UpgradingConnection
{
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
  /** The idle limit that has passed, in milliseconds: there may be another one when `@OnTimeout` has decided. */
  #passedLimit = 0;
  #shutdownAsked = false;
  /** An error that `@OnError` has not been told of yet. */
  #error: Error | undefined;
  #started = false;
  #stopping = false;
  #socketError: Error | undefined;
  #paused = false;
  /** Whether the socket is being read. */
  #reading = false;
  #inputDropped = false;
  /** The socket knows of the client's end. */
  #endPassed = false;
  /** For the stream, once somebody has taken it. */
  #link: StreamLink | undefined;
  /** From the call of `startTls` on. */
  #upgrade: 'under way' | 'done' | undefined;

  constructor(host: ConnectionHost, socket: Socket, admitted: Admitted, environment: Environment | undefined) {
    super(host, socket, admitted, environment);
    this.#codec = host.codec as Codec<In, Out>;
    this.#direct = isChunked(this.#codec);
    this.#inbound = new Inbound(this.#codec);
    this.#outbound = new Outbound(socket, this, host.highWaterMark);
    this.#runner = new HookRunner(this, this);
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

  get bytesWaiting(): number {
    return this.#outbound.waiting + (this.#link?.stream.writableLength ?? 0);
  }

  protected get isClosed(): boolean {
    return this.#phase === 'closed' || this.#phase === 'finished';
  }

  get #isEnding(): boolean {
    return this.#phase === 'closing' || this.isClosed;
  }

  /** Whether it is ending in good order, but not all that was sent has been taken. */
  get #isUndelivered(): boolean {
    return !this.#outbound.finished && (this.reason?.kind === 'client' || this.reason?.kind === 'server');
  }

  get #isReaderWaiting(): boolean {
    return this.#read?.waiting === true;
  }

  get #self(): AnyConnection {
    return this as AnyConnection;
  }

  // What the listener calls.

  /** Begins the connection's life: `@OnConnection` of its owner, and so on. */
  start(owner: object, hooks: Hooks): void {
    passOn(this.socket, this);
    this.touch();
    this.host.idle?.add(this.#self);
    // The owner's constructor may have closed it: then no hook is called.
    if (!this.#isEnding) {
      this.#outbound.held = true;
      this.#enter(owner, hooks);
    }
    this.#unhold();
    this.#pump();
  }

  /** Takes what was read from the client before there was a connection; before `start`. */
  receiveEarly(bytes: Buffer): void {
    this.#inbound.push(bytes);
  }

  /** Ends a connection whose owner could not be made: no hook of it is called. */
  abandon(className: string, error: Error): void {
    this.reason = { kind: 'error', error };
    this.#announce(error);
    this.#report(error, `${className} could not be made for a connection`);
    passOn(this.socket, this);
    this.#pumping = false;
    resetSocket(this.socket);
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
    if (this.#isUndelivered) this.reason = { kind: 'shutdown' };
    this.#resetBecause({ kind: 'shutdown' });
  }

  /** From now on there is an idle limit: its time runs from here, since nobody has noted when the client was last heard. */
  idleBegins(): void {
    this.#keep();
  }

  idleExpired(): void {
    if (this.#isEnding || this.#phase === 'failing') return;
    const handlerWaits = this.#isReaderWaiting || this.#link?.wants === true;
    const isBusy = !handlerWaits && (this.#runner.running !== undefined || this.#link !== undefined);
    if (isBusy || this.#paused || !this.#reading) {
      // It is the server who does not listen, and perhaps the client who waits.
      this.#keep();
      return;
    }
    this.#timedOut = true;
    this.#passedLimit = this.host.idle?.duration ?? 0;
    this.#attention = true;
    this.#pump();
  }

  sendExpired(): void {
    if (this.isClosed) return;
    const error = new TimeoutError('send', this.host.send.duration);
    if (this.reason === undefined || this.#isUndelivered) this.reason = { kind: 'timeout', error };
    this.#tell(error);
    resetSocket(this.socket);
  }

  lingerExpired(): void {
    this.socket.destroy();
  }

  // What the owner calls.

  /** Hot path. */
  send(message: Out): boolean {
    const outbound = this.#outbound;
    if (outbound.ended) return false;
    this.#codec.encode(message, outbound);
    this.host.counters.messagesOut++;
    return !outbound.isFull;
  }

  drained(): Promise<void> {
    return new Promise((resolve) => this.#outbound.whenDrained(resolve));
  }

  sendFile(path: string, options: SendFileOptions = {}): Promise<number> {
    this.learnRemote();
    let file: FileSource;
    try {
      file = new FileSource(this, path, options);
    } catch (error) {
      return Promise.reject(error);
    }
    file.done.catch((error: Error) => {
      // Whoever waits for it gets the error; whoever does not is told here. That the client left is an everyday matter.
      if (error instanceof ConnectionClosedError) return;
      this.host.gate.writeError('warn', 'sendFile() failed', error, () => this.logFields());
    });
    if (this.#outbound.ended) {
      file.end(false);
    } else {
      this.host.counters.messagesOut++;
      this.#outbound.writeFrom(file);
    }
    return file.done;
  }

  get stream(): Duplex {
    if (this.#link === undefined) {
      this.#link = new StreamLink(this, this.#outbound);
      if (this.#isEnding) this.#link.stream.destroy();
    }
    return this.#link.stream;
  }

  startTls(options?: TlsOptions): Promise<void> {
    try {
      return this.#startTls(options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #startTls(options: TlsOptions | undefined): Promise<void> {
    this.learnRemote();
    const refusal = this.#refusalToUpgrade();
    if (refusal !== undefined) throw refusal;
    const terminator = this.host.terminator(options);
    const received = this.#inbound.takeAll();
    // The codec may have kept something for bytes that were to come in plain text.
    this.#inbound.codec = this.#codec;
    this.#upgrade = 'under way';
    const upgrade = new TlsUpgrade(this, this.socket, terminator, this.host.startTimeout);
    if (received === undefined || upgrade.takes(received)) {
      passOn(this.socket, upgrade);
      this.#outbound.writeFrom(upgrade);
    }
    return upgrade.done;
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
    this.host.connectionExempt(this.#self);
  }

  setOptions(options: SocketOptions): void {
    applySocketOptions(this.socket, options);
    if (options.highWaterMark !== undefined) {
      this.#outbound.highWaterMark = options.highWaterMark;
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
    this.touch();
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
    if (this.#pumping || this.#attention || this.#paused || this.#link !== undefined) return false;
    if (this.#inbound.length > 0 || this.#outbound.isFull) return false;
    if (this.#runner.running === undefined) {
      if (this.#phase !== 'open') return false;
      this.host.counters.messagesIn++;
      this.#pumping = true;
      this.#outbound.held = true;
      this.#runner.run('data', chunk);
      this.#unhold();
      if (this.#attention) this.#pump();
      return true;
    }
    const read = this.#read;
    if (read === undefined || !read.waiting || read.request !== nextMessage || this.#runner.interrupting) return false;
    this.host.counters.messagesIn++;
    read.settle(chunk);
    return true;
  }

  socketEnded(): void {
    // Of a stream that is not told at once, it may come again.
    if (this.#inbound.ended) return;
    this.#inbound.ended = true;
    if (this.#outbound.stalled) destroyIfReset(this.socket);
    this.#pump();
  }

  socketFailed(error: Error & { readonly code?: string }): void {
    // What breaks encryption is no loss of the network, but something that somebody has sent.
    this.#socketError = error.code?.startsWith('ERR_SSL')
      ? new TlsError('other', { cause: error, detail: error.code })
      : error;
  }

  socketClosed(): void {
    const error = this.#socketError;
    if (error !== undefined && (this.reason === undefined || this.#isUndelivered)) {
      this.reason = { kind: error instanceof TlsError ? 'error' : 'reset', error };
      if (error instanceof TlsError) this.#note(error);
    }
    this.reason ??= { kind: this.#inbound.ended ? 'client' : 'server' };
    this.#phase = 'closed';
    const host = this.host;
    host.idle?.delete(this.#self);
    host.send.delete(this.#self);
    host.linger.delete(this.#self);
    this.#dropInput();
    this.#outbound.drop();
    this.#releaseReader();
    host.connectionClosed(this.#self, this.reason);
    this.tellEnding(this.reason);
    this.#link?.stream.destroy(isOrderly(this.reason.kind) ? undefined : (this.reason.error ?? this.closedError()));
    this.#markStarted();
    this.#pump();
  }

  outboundStalled(): void {
    if (this.#inbound.ended) destroyIfReset(this.socket);
    this.lastSent = performance.now();
    this.host.send.add(this.#self);
  }

  outboundMoved(): void {
    // Over TLS every write stalls for a moment: its time limit is not taken back each time, but found to be void when it is looked at.
    this.lastSent = this.#outbound.stalled ? performance.now() : Infinity;
    this.#pump();
  }

  outboundFlushed(): void {
    if (this.#heldBack) this.#pump();
  }

  outboundEnded(): void {
    this.#link?.outboundEnded();
    this.#linger();
  }

  // What a file that is being sent tells.

  fileBroken(error: Error): void {
    if (this.isClosed) return;
    this.reason ??= { kind: 'error', error };
    this.#tell(error);
    resetSocket(this.socket);
  }

  closedError(): ConnectionClosedError {
    return new ConnectionClosedError(this.reason ?? { kind: 'server' });
  }

  // What an upgrade to TLS tells.

  upgraded(socket: TLSSocket, since: number): void {
    this.#upgrade = 'done';
    this.host.handshakeEnded(this.#self, { since, socket, error: undefined });
    passOn(this.socket, nobody);
    hold(socket, this);
    this.changeSocket(socket);
    this.#outbound.socket = socket;
    this.touch();
    // The handshake has it read already.
    this.#reading = true;
  }

  upgradeFailed(error: TlsError | TimeoutError, since: number): void {
    // Before anything else, so that nothing that was sent for TLS leaves without it. Only a TLS socket that has failed has something
    // left to tell the client; it closes by itself.
    if (error instanceof TimeoutError || error.failure === 'plaintext') resetSocket(this.socket);
    if (this.#isEnding) return;
    this.host.handshakeEnded(this.#self, { since, socket: undefined, error });
    this.#fail(error);
  }

  // What the link to the stream tells.

  linkWants(): void {
    this.#pump();
  }

  linkDestroyed(error: Error | null): void {
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
    // An owner that returns itself keeps the connection.
    if (typeof value === 'object' && value !== null && value !== this.#runner.owner && !this.#isEnding) {
      const fault = faultOfOwner(value);
      if (fault !== undefined) {
        this.hookThrew('connection', new StateError(`what @OnConnection returned ${fault}; return nothing to keep it`));
        return;
      }
      this.#nextOwner = value;
      this.#attention = true;
    }
    if (this.#nextOwner !== undefined) return;
    if (this.#runner.hooks?.data !== undefined || this.#link !== undefined) {
      this.#opened();
    } else {
      this.#markStarted();
      this.close();
    }
  }

  hookThrew(hook: RunningHook, error: Error): void {
    // What `recv` was rejected with because of the connection's own end is no error of the hook, nor is that end thrown once more.
    const isKnown =
      error === this.reason?.error || (error instanceof ConnectionClosedError && error.reason === this.reason);
    // What a client brings about, such as a `recv` that takes too long, is no fault of the hook that lets it through.
    if (!isKnown && !isOfTheClient(error)) this.host.counters.handlerErrors++;
    if (hook === 'connection') this.#markStarted();
    if (hook === 'close') {
      if (!isKnown) this.#report(error, '@OnClose failed');
      this.#finish();
    } else if (hook === 'error') {
      if (!isKnown) this.#report(error, '@OnError failed');
      this.#afterError();
    } else if (!isKnown) {
      this.#fail(error);
    }
  }

  hookWaits(): void {
    this.learnRemote();
  }

  hookSettled(): void {
    // The time that a hook took is not the client's.
    this.touch();
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
    } while (this.#heldBack && !outbound.isFull);
    this.#pumping = false;
    this.#updateReading();
  }

  #unhold(): void {
    this.#outbound.held = false;
    this.#pumping = false;
    this.#outbound.flush();
  }

  /** Does one thing; returns whether there may be more to do. */
  #step(): boolean {
    if (this.#runner.interrupting) return false;
    if (this.#runner.running !== undefined) {
      const waits = this.#isReaderWaiting || this.#link !== undefined;
      return waits && this.#stepParked();
    }
    if (this.#phase === 'open' && !this.#attention)
      return this.#link === undefined ? this.#stepData() : this.#stepStream(this.#link);
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
    else if (this.#link !== undefined) this.#stepStream(this.#link);
    return false;
  }

  #stepStream(link: StreamLink): boolean {
    if (this.#paused) return false;
    try {
      link.feed(this.#inbound);
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
      this.host.counters.messagesIn++;
      runner.run('data', message);
    }
    if (this.#outbound.isFull) this.#heldBack = true;
    return this.#attention && runner.running === undefined;
  }

  /** Hot path: whether a message that is there may go to `@OnData` now. */
  #mayDeliver(): boolean {
    return (
      this.#phase === 'open' &&
      this.#runner.running === undefined &&
      this.#link === undefined &&
      !this.#attention &&
      !this.#paused &&
      !this.#outbound.isFull
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
    else this.#runner.run('close', this.reason);
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
    if (hooks.close !== undefined || hooks.error !== undefined) this.learnRemote();
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

  #markStarted(): void {
    if (this.#started) return;
    this.#started = true;
    this.host.connectionStarted(this.#self);
  }

  // Failing.

  /** Something went wrong with this connection: `@OnError` is told, then it closes. */
  #fail(error: Error): void {
    // A handler that is busy elsewhere may take long: the client is not to wait for it.
    const isBusy = this.#runner.running !== undefined && (!this.#isReaderWaiting || this.#runner.interrupting);
    this.reason ??= { kind: error instanceof TimeoutError ? 'timeout' : 'error', error };
    this.#dropInput();
    if (!this.#isEnding) this.#phase = 'failing';
    this.#tell(error);
    if (isBusy) this.#end();
  }

  #tell(error: Error): void {
    this.#note(error);
    this.#pump();
  }

  #note(error: Error): void {
    this.#announce(error);
    this.#error ??= error;
    this.#attention = true;
    if (isOfTheClient(error)) {
      // An everyday matter, which any client can bring about: a line, and no stack.
      const fields = () => ({ ...this.logFields(), code: error.code, error: error.message });
      this.host.gate.write('info', 'connection failed', fields, error.code);
    } else {
      this.#report(error, 'connection failed');
    }
  }

  #announce(error: Error): void {
    if (!channels.error.hasSubscribers) return;
    channels.error.publish({ listener: this.host.listener, connection: this.#self, error });
  }

  #report(error: Error, message: string): void {
    this.host.gate.writeError('error', message, error, () => this.logFields());
  }

  #afterError(): void {
    this.#releaseReader();
    this.#end();
  }

  #keep(): void {
    if (this.isClosed) return;
    this.touch();
    this.host.idle?.add(this.#self);
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
    if (!this.#isEnding) this.#fail(new TimeoutError('idle', this.#passedLimit));
  }

  // Ending.

  #close(kind: CloseKind): void {
    if (this.#isEnding) return;
    this.reason ??= { kind };
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
    this.lastSent = performance.now();
    this.host.linger.add(this.#self);
  }

  #resetBecause(reason: CloseReason): void {
    if (this.isClosed) return;
    this.reason ??= reason;
    this.#phase = 'closing';
    this.#outbound.drop();
    this.#dropInput();
    this.#releaseReader();
    resetSocket(this.socket);
  }

  #finish(): void {
    this.forgetEnvironment();
    this.host.connectionFinished(this.#self);
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
    // What the handler has sent leaves before it waits.
    if (!this.#outbound.held) this.#outbound.flush();
    // The time until it asked was not the client's.
    this.touch();
    if (this.#attention) this.#pump();
    else this.#updateReading();
    return promise;
  }

  /** A push-style `@OnConnection` keeps an acceptor from others: it may not wait for a silent client for ever. */
  #startTimeout(): number | undefined {
    return this.#started ? undefined : this.host.startTimeout;
  }

  #refusalToReceive(): string | undefined {
    if (this.#isReaderWaiting) return 'recv() was called while another recv() waits: await one before the next';
    if (this.#link !== undefined) {
      return 'recv() was called on a connection whose stream was taken: read from conn.stream';
    }
    if (this.#runner.running === undefined && !this.#isEnding) {
      return 'recv() was called in push style outside of a hook: data goes to @OnData; leave @OnData out to read with recv()';
    }
    return undefined;
  }

  #refusalToUpgrade(): Error | undefined {
    if (this.#outbound.ended || this.#isEnding || this.#phase === 'failing') return this.closedError();
    if (this.secure || this.#upgrade !== undefined) {
      return new StateError('startTls() was called on a connection that is encrypted already, or about to be');
    }
    if (this.#link !== undefined) return new StateError('startTls() was called on a connection whose stream was taken');
    if (this.#isReaderWaiting) return new StateError('startTls() was called while a recv() waits: await it first');
    return undefined;
  }

  /** What `request` asks for if it is there; `undefined` if it has to be waited for. */
  #take(request: ReadRequest): unknown {
    if (this.#isEnding || this.#inputDropped) {
      const reason = this.reason;
      if (reason === undefined || isOrderly(reason.kind)) return null;
      throw reason.error instanceof TimeoutError ? reason.error : new ConnectionClosedError(reason);
    }
    if (this.#runner.interrupting) return undefined;
    if (this.#outbound.isFull) {
      this.#heldBack = true;
      return undefined;
    }
    const value = this.#inbound.read(request);
    if (value === undefined) return undefined;
    if (value !== null && request.kind === 'message') this.host.counters.messagesIn++;
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
    if (this.#inbound.ended) this.#passEnd();
  }

  /** Lets the socket know of the client's end, and close once ours has come, as soon as nothing is left to be taken. */
  #passEnd(): void {
    if (this.#endPassed || this.#inbound.length > 0) return;
    this.#endPassed = true;
    endReading(this.socket);
  }

  /** Has the socket read again if there is room. When there is none, the next chunk that comes stops it. */
  #updateReading(): void {
    if (this.#inbound.ended) {
      this.#passEnd();
      return;
    }
    if (this.#reading || this.isClosed || !this.#shouldRead()) return;
    this.#reading = true;
    readOn(this.socket);
  }

  /** Hot path. */
  #shouldRead(): boolean {
    // What is dropped is read all the same: only so does the client's FIN come through.
    if (this.#inputDropped) return this.#upgrade !== 'under way';
    if (this.#paused || this.#outbound.isFull || this.#upgrade === 'under way') return false;
    if (this.#link !== undefined) return this.#link.wants;
    if (this.#isReaderWaiting) return !this.#runner.interrupting;
    // In pull style, as much may wait as may wait to be sent; in push style, one chunk while a hook runs, else what is no message yet.
    if (this.#phase !== 'open') return this.#inbound.length < this.host.highWaterMark;
    return this.#runner.running === undefined || this.#inbound.length === 0;
  }
}

/** Whether a codec gives chunks as they come. */
function isChunked(codec: object): boolean {
  return codec === bytes();
}
