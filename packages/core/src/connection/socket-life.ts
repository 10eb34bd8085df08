// The life of a connection over a socket: in which phase it is, which hook is next, how it fails and how it ends.

import type { Socket } from 'node:net';
import { type Hooks, hooksOf } from '../decorators/hooks.js';
import type { Constructor } from '../decorators/metadata.js';
import { ConnectionClosedError, StateError, TimeoutError, TlsError } from '../errors.js';
import { passOn, resetSocket, type SocketHolder } from '../transport/held-socket.js';
import type { Admitted } from './admitted.js';
import { asError } from './as-error.js';
import type { CloseKind, CloseReason } from './connection.js';
import type { ConnectionHost } from './connection-host.js';
import type { Environment } from './environment.js';
import { faultOfOwner, isOfTheClient, isOrderly } from './faults.js';
import { type HookObserver, HookRunner, type RunningHook } from './hook-runner.js';
import { SocketFlow } from './socket-flow.js';
import type { StreamLink } from './stream-link.js';

/**
 * In this order, of which any may be left out but the last two; a new owner takes an open connection back to `starting`.
 *
 * - `starting`: `@OnConnection` has not finished, or the handler is a pull-style one: what comes waits for `recv`.
 * - `open`: data goes to `@OnData`.
 * - `failing`: an error waits for `@OnError`; input is dropped.
 * - `closing`: our FIN is on its way behind what was queued; input is dropped.
 * - `closed`: the socket is gone; hooks may still have to finish.
 * - `finished`: `@OnClose` has been called, nothing follows.
 */
type Phase = 'starting' | 'open' | 'failing' | 'closing' | 'closed' | 'finished';

/**
 * What decides about a connection.
 *
 * All that happens to it is noted in its fields, and `pump` decides what to do about it: it alone has hooks called. What its listener
 * and its owner call is above, in `SocketConnection`.
 */
export abstract class SocketLife<In, Out> extends SocketFlow<In, Out> implements SocketHolder, HookObserver {
  protected readonly runner: HookRunner;
  #phase: Phase = 'starting';
  /** `pump` is at work; so too before `start`, since there is no owner yet to call hooks of. */
  #pumping = true;
  /** The listener has been told that it has started. */
  #started = false;
  #socketError: Error | undefined;
  /** Whether any of the notes below waits to be looked at. */
  #attention = false;
  /** An error that `@OnError` has not been told of yet. */
  #error: Error | undefined;
  /** Who owns it next, until its turn comes. */
  #nextOwner: object | undefined;
  #timedOut = false;
  /** The idle limit that has passed, in milliseconds: there may be another one when `@OnTimeout` has decided. */
  #passedLimit = 0;
  /** From the stop of the listener on: what `@OnShutdown` is. */
  #shutdown: 'to be told' | 'told' | undefined;

  constructor(host: ConnectionHost, socket: Socket, admitted: Admitted, environment: Environment | undefined) {
    super(host, socket, admitted, environment);
    this.runner = new HookRunner(this, this);
  }

  protected get isOpen(): boolean {
    return this.#phase === 'open';
  }

  protected get isFailing(): boolean {
    return this.#phase === 'failing';
  }

  protected get isClosed(): boolean {
    return this.#phase === 'closed' || this.#phase === 'finished';
  }

  protected get isEnding(): boolean {
    return this.#phase === 'closing' || this.isClosed;
  }

  protected get isStopping(): boolean {
    return this.#shutdown !== undefined;
  }

  /** A push-style `@OnConnection` keeps an acceptor from others: it may not wait for a silent client for ever. */
  protected get recvTimeout(): number | undefined {
    return this.#started ? undefined : this.host.startTimeout;
  }

  /** The one place where the phase changes. */
  #become(phase: Phase): void {
    this.#phase = phase;
    if (phase !== 'starting' && phase !== 'open') this.dropInput();
  }

  // Starting.

  /** Begins the connection's life: `@OnConnection` of its owner, and so on. */
  start(owner: object, hooks: Hooks): void {
    passOn(this.socket, this);
    this.touch();
    this.host.idle?.add(this.self);
    // The owner's constructor may have closed it: then no hook is called.
    if (!this.isEnding) {
      this.outbound.held = true;
      this.#enter(owner, hooks);
    }
    this.#unhold();
    this.pump();
  }

  /** Ends a connection whose owner could not be made: no hook of it is called. */
  abandon(className: string, error: Error): void {
    this.reason = { kind: 'error', error };
    this.announce(error);
    this.logError(error, `${className} could not be made for a connection`);
    passOn(this.socket, this);
    this.#pumping = false;
    resetSocket(this.socket);
  }

  #enter(owner: object, hooks: Hooks): void {
    this.runner.own(owner, hooks);
    if (hooks.close !== undefined || hooks.error !== undefined) this.learnRemote();
    this.#become('starting');
    if (hooks.connection === undefined) this.#opened();
    else this.runner.run('connection', undefined);
    // A pull-style handler is on its own from here on.
    if (hooks.data === undefined && this.runner.running !== undefined) this.#markStarted();
  }

  #opened(): void {
    if (this.#phase === 'starting') this.#become('open');
    this.#markStarted();
  }

  #markStarted(): void {
    if (this.#started) return;
    this.#started = true;
    this.host.connectionStarted(this.self);
  }

  // One place decides what happens next.

  /** Hot path: does all that there is to do, then sends what that has queued. */
  protected pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const outbound = this.outbound;
    do {
      this.heldBack = false;
      outbound.held = true;
      while (this.#step());
      outbound.held = false;
      outbound.flush();
      // What was held back may go on if the kernel has taken enough at once; if not, `outboundMoved` will come.
    } while (this.heldBack && !outbound.isFull);
    this.#pumping = false;
    this.updateReading();
  }

  #unhold(): void {
    this.outbound.held = false;
    this.#pumping = false;
    this.outbound.flush();
  }

  /** Does one thing; returns whether there may be more to do. */
  #step(): boolean {
    if (this.runner.interrupting) return false;
    if (this.runner.running !== undefined) {
      const waits = this.isReaderWaiting || this.link !== undefined;
      return waits && this.#stepParked();
    }
    if (this.#phase === 'open' && !this.#attention)
      return this.link === undefined ? this.#stepData() : this.#stepStream(this.link);
    if (this.#error !== undefined) return this.#stepError(this.#error);
    if (this.#phase === 'closed') return this.#stepClose();
    if (this.isEnding || this.#phase === 'failing') return false;
    if (this.#nextOwner !== undefined) return this.#stepOwner(this.#nextOwner);
    if (this.#timedOut) return this.#stepTimeout();
    if (this.#shutdown === 'to be told') return this.#stepShutdown();
    this.#attention = false;
    return this.#phase === 'open';
  }

  /** The handler waits in `recv`, or has left the input to the stream: it goes on unless a hook comes first. */
  #stepParked(): boolean {
    if (this.#error !== undefined) return this.#stepError(this.#error);
    if (this.isEnding) {
      this.releaseReader();
      return false;
    }
    if (this.#timedOut) return this.#stepTimeout();
    if (this.#shutdown === 'to be told') return this.#stepShutdown();
    // A new owner is looked at when the handler has ended.
    this.#attention = this.#nextOwner !== undefined;
    if (this.isReaderWaiting) this.serveReader();
    else if (this.link !== undefined) this.#stepStream(this.link);
    return false;
  }

  #stepStream(link: StreamLink): boolean {
    if (this.paused) return false;
    try {
      link.feed(this.inbound);
    } catch (error) {
      // Thrown by whoever listens to the stream.
      this.fail(asError(error));
      return true;
    }
    return this.#attention && this.runner.running === undefined;
  }

  /** Hot path: messages to `@OnData`, until there is none or something else is to be looked at. */
  #stepData(): boolean {
    const inbound = this.inbound;
    const runner = this.runner;
    while (this.#mayDeliver()) {
      let message: In | undefined;
      try {
        message = inbound.next();
      } catch (error) {
        this.fail(asError(error));
        return true;
      }
      if (message === undefined) {
        if (inbound.exhausted) this.end('client');
        return false;
      }
      this.host.counters.messagesIn++;
      runner.run('data', message);
    }
    if (this.outbound.isFull) this.heldBack = true;
    return this.#attention && runner.running === undefined;
  }

  /** Hot path: whether a message that is there may go to `@OnData` now. */
  #mayDeliver(): boolean {
    return (
      this.#phase === 'open' &&
      this.runner.running === undefined &&
      this.link === undefined &&
      !this.#attention &&
      !this.paused &&
      !this.outbound.isFull
    );
  }

  /** Hot path: does what `pump` would do with a chunk that is a message and has nothing in its way, but without the queue. */
  protected deliver(chunk: Buffer): boolean {
    if (this.#pumping || this.#attention || this.paused || this.link !== undefined) return false;
    if (this.inbound.length > 0 || this.outbound.isFull) return false;
    if (this.runner.running !== undefined) return this.settleReader(chunk);
    if (this.#phase !== 'open') return false;
    this.host.counters.messagesIn++;
    this.#pumping = true;
    this.outbound.held = true;
    this.runner.run('data', chunk);
    this.#unhold();
    if (this.#attention) this.pump();
    return true;
  }

  #stepError(error: Error): boolean {
    this.#error = undefined;
    if (this.runner.hooks?.error === undefined) this.#afterError();
    else this.runner.run('error', error);
    return true;
  }

  #stepClose(): boolean {
    this.#become('finished');
    if (this.runner.hooks?.close === undefined) this.#finish();
    else this.runner.run('close', this.reason);
    return false;
  }

  #stepOwner(owner: object): boolean {
    this.#nextOwner = undefined;
    this.#enter(owner, hooksOf(owner.constructor as Constructor));
    return true;
  }

  #stepTimeout(): boolean {
    this.#timedOut = false;
    if (this.runner.hooks?.timeout === undefined) this.#idleTimeout();
    else this.runner.run('timeout', undefined);
    return true;
  }

  #stepShutdown(): boolean {
    this.#shutdown = 'told';
    if (this.runner.hooks?.shutdown !== undefined) this.runner.run('shutdown', undefined);
    return true;
  }

  // What is noted for it to be looked at; an error is noted where it fails.

  protected parked(): void {
    if (this.#attention) this.pump();
    else this.updateReading();
  }

  /** Somebody else is to own it from here on. */
  protected noteOwner(owner: object): void {
    if (this.isEnding || this.isFailing) return;
    this.#nextOwner = owner;
    this.#attention = true;
    this.pump();
  }

  /** @param limit milliseconds in which the client was not heard */
  protected noteTimeout(limit: number): void {
    this.#timedOut = true;
    this.#passedLimit = limit;
    this.#attention = true;
    this.pump();
  }

  /** The listener stops: tells `@OnShutdown`. */
  stop(): void {
    if (this.isStopping || this.isEnding) return;
    this.#shutdown = 'to be told';
    this.#attention = true;
    this.pump();
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
    if (typeof value === 'object' && value !== null && value !== this.runner.owner && !this.isEnding) {
      const fault = faultOfOwner(value);
      if (fault !== undefined) {
        this.hookThrew('connection', new StateError(`what @OnConnection returned ${fault}; return nothing to keep it`));
        return;
      }
      this.#nextOwner = value;
      this.#attention = true;
    }
    if (this.#nextOwner !== undefined) return;
    if (this.runner.hooks?.data !== undefined || this.link !== undefined) {
      this.#opened();
    } else {
      this.#markStarted();
      this.close();
    }
  }

  #timeoutReturned(value: unknown): void {
    if (value === 'keep') this.restartIdleTime();
    else if (value === undefined) this.#idleTimeout();
    else
      this.fail(
        new StateError(
          `@OnTimeout returned ${String(value)}; return 'keep' to keep the connection, or nothing to close it`,
        ),
      );
  }

  hookThrew(hook: RunningHook, error: Error): void {
    // What `recv` was rejected with because of the connection's own end is no error of the hook, nor is that end thrown once more.
    const isKnown =
      error === this.reason?.error || (error instanceof ConnectionClosedError && error.reason === this.reason);
    // What a client brings about, such as a `recv` that takes too long, is no fault of the hook that lets it through.
    if (!isKnown && !isOfTheClient(error)) this.host.counters.handlerErrors++;
    if (hook === 'connection') this.#markStarted();
    if (hook === 'close') {
      if (!isKnown) this.logError(error, '@OnClose failed');
      this.#finish();
    } else if (hook === 'error') {
      if (!isKnown) this.logError(error, '@OnError failed');
      this.#afterError();
    } else if (!isKnown) {
      this.fail(error);
    }
  }

  hookWaits(): void {
    this.learnRemote();
  }

  hookSettled(): void {
    // The time that a hook took is not the client's.
    this.touch();
    this.pump();
  }

  // Failing.

  /** Something went wrong with this connection: `@OnError` is told, then it closes. */
  protected fail(error: Error): void {
    // A handler that is busy elsewhere may take long: the client is not to wait for it.
    const isBusy = this.runner.running !== undefined && (!this.isReaderWaiting || this.runner.interrupting);
    this.reason ??= { kind: error instanceof TimeoutError ? 'timeout' : 'error', error };
    if (!this.isEnding) this.#become('failing');
    this.tell(error);
    if (isBusy) this.#sendFin();
  }

  /** Has `@OnError` told of an error. How the connection ends is decided by who calls this. */
  protected tell(error: Error): void {
    this.#note(error);
    this.pump();
  }

  #note(error: Error): void {
    this.announce(error);
    this.#error ??= error;
    this.#attention = true;
    this.logFailure(error);
  }

  #afterError(): void {
    this.releaseReader();
    this.#sendFin();
  }

  #idleTimeout(): void {
    if (!this.isEnding) this.fail(new TimeoutError('idle', this.#passedLimit));
  }

  // Ending.

  /** Ends it in good order. */
  protected end(kind: CloseKind): void {
    if (this.isEnding) return;
    this.reason ??= { kind };
    this.#sendFin();
  }

  /** Sends what is queued and our FIN; what still comes in is dropped. */
  #sendFin(): void {
    if (this.isEnding) return;
    this.#become('closing');
    this.#markStarted();
    this.releaseReader();
    this.outbound.end();
    this.#linger();
    this.updateReading();
  }

  outboundEnded(): void {
    this.link?.outboundEnded();
    this.#linger();
  }

  /**
   * Our FIN is out, and the client's is awaited, but not for ever. Closing without that would answer bytes that are still on their
   * way with a RST, which can overtake what we sent last.
   */
  #linger(): void {
    if (this.#phase !== 'closing' || !this.outbound.finished || this.inbound.ended) return;
    this.lastSent = performance.now();
    this.host.linger.add(this.self);
  }

  protected resetBecause(reason: CloseReason): void {
    if (this.isClosed) return;
    this.reason ??= reason;
    this.#become('closing');
    this.outbound.drop();
    this.releaseReader();
    resetSocket(this.socket);
  }

  socketFailed(error: Error & { readonly code?: string }): void {
    // What breaks encryption is no loss of the network, but something that somebody has sent.
    this.#socketError = error.code?.startsWith('ERR_SSL')
      ? new TlsError('other', { cause: error, detail: error.code })
      : error;
  }

  socketClosed(): void {
    const error = this.#socketError;
    if (error !== undefined && (this.reason === undefined || this.isUndelivered)) {
      this.reason = { kind: error instanceof TlsError ? 'error' : 'reset', error };
      if (error instanceof TlsError) this.#note(error);
    }
    this.reason ??= { kind: this.inbound.ended ? 'client' : 'server' };
    this.#become('closed');
    const host = this.host;
    host.idle?.delete(this.self);
    host.send.delete(this.self);
    host.linger.delete(this.self);
    this.outbound.drop();
    this.releaseReader();
    host.connectionClosed(this.self, this.reason);
    this.tellEnding(this.reason);
    this.link?.stream.destroy(isOrderly(this.reason.kind) ? undefined : (this.reason.error ?? this.closedError()));
    this.#markStarted();
    this.pump();
  }

  #finish(): void {
    this.forgetEnvironment();
    this.host.connectionFinished(this.self);
  }
}
