// The bytes of a connection between its socket and those who take and send them, and when the socket is read.

import type { Socket } from 'node:net';
import { bytes } from '../codec/bytes.js';
import type { Codec } from '../codec/codec.js';
import { ConnectionClosedError, StateError, TimeoutError } from '../errors.js';
import { destroyIfReset, endReading, readOn } from '../transport/held-socket.js';
import type { Admitted } from './admitted.js';
import { asError } from './as-error.js';
import type { ConnectionHost } from './connection-host.js';
import type { Environment } from './environment.js';
import { isOrderly } from './faults.js';
import type { HookRunner } from './hook-runner.js';
import { Inbound } from './inbound.js';
import { Outbound, type OutboundOwner } from './outbound.js';
import { iteratorResult, PendingRead } from './pending-read.js';
import { nextMessage, type ReadRequest } from './read-request.js';
import { SocketFacts } from './socket-facts.js';
import type { StreamLink } from './stream-link.js';

/** The codec that gives chunks as they come. */
const chunks: object = bytes();

/**
 * What has come and waits to be taken, the `recv` that waits for it, what waits to be sent, and what keeps the socket from being read.
 * Who is told of any of it is decided by the life above, in `SocketLife`.
 */
export abstract class SocketFlow<In, Out> extends SocketFacts<In, Out> implements OutboundOwner {
  protected readonly inbound: Inbound<In>;
  protected readonly outbound: Outbound;
  #codec: Codec<In, Out>;
  /** For the `recv` that waits, if one does; made for the first. */
  #read: PendingRead | undefined;
  /** For the stream, once somebody has taken it. */
  protected link: StreamLink | undefined;
  /** From the call of `startTls` on. */
  protected upgrade: 'under way' | 'done' | undefined;
  protected paused = false;
  /** Input was left alone because too much waits to be sent. */
  protected heldBack = false;
  /** Whether the socket is being read. */
  #reading = false;
  #inputDropped = false;
  /** The socket knows of the client's end. */
  #endPassed = false;

  constructor(host: ConnectionHost, socket: Socket, admitted: Admitted, environment: Environment | undefined) {
    super(host, socket, admitted, environment);
    this.#codec = host.codec as Codec<In, Out>;
    this.inbound = new Inbound(this.#codec);
    this.outbound = new Outbound(socket, this, host.highWaterMark);
  }

  // What the life above gives.

  protected abstract readonly runner: HookRunner;
  /** Whether data goes to `@OnData`. */
  protected abstract readonly isOpen: boolean;
  /** Whether our FIN is on its way, or the socket is gone. */
  protected abstract readonly isEnding: boolean;
  /** Milliseconds for a `recv` that was given no time; `undefined` for no limit. */
  protected abstract readonly recvTimeout: number | undefined;
  /** Does all that there is to do. */
  protected abstract pump(): void;
  /** Gives a chunk that is a message to whoever waits for it; returns whether it could. */
  protected abstract deliver(chunk: Buffer): boolean;
  /** The handler has begun to wait in `recv`. */
  protected abstract parked(): void;
  /** Everything and our FIN were given to the socket. */
  abstract outboundEnded(): void;

  get codec(): Codec<In, Out> {
    return this.#codec;
  }

  set codec(codec: Codec<In, Out>) {
    this.#codec = codec;
    this.inbound.codec = codec;
    this.pump();
  }

  get bytesWaiting(): number {
    return this.outbound.waiting + (this.link?.stream.writableLength ?? 0);
  }

  protected get isReaderWaiting(): boolean {
    return this.#read?.waiting === true;
  }

  /** Whether the client would be heard if it sent anything. */
  protected get isListening(): boolean {
    return this.#reading && !this.paused;
  }

  /** Whether it is ending in good order, but not all that was sent has been taken. */
  protected get isUndelivered(): boolean {
    return !this.outbound.finished && (this.reason?.kind === 'client' || this.reason?.kind === 'server');
  }

  protected override changeSocket(socket: Socket): void {
    super.changeSocket(socket);
    this.outbound.socket = socket;
    // The handshake has it read already.
    this.#reading = true;
  }

  // What comes from the socket.

  /** Takes what was read from the client before there was a connection; before `start`. */
  receiveEarly(bytes: Buffer): void {
    this.inbound.push(bytes);
  }

  /** Hot path. */
  socketReceived(chunk: Buffer): boolean {
    this.touch();
    if (this.#inputDropped) return true;
    if (this.#codec !== chunks || !this.deliver(chunk)) {
      this.inbound.push(chunk);
      this.pump();
    }
    this.#reading = this.#shouldRead();
    return this.#reading;
  }

  socketEnded(): void {
    // Of a stream that is not told at once, it may come again.
    if (this.inbound.ended) return;
    this.inbound.ended = true;
    if (this.outbound.stalled) destroyIfReset(this.socket);
    this.pump();
  }

  protected dropInput(): void {
    this.#inputDropped = true;
    this.inbound.clear();
    if (this.inbound.ended) this.#passEnd();
  }

  /** Lets the socket know of the client's end, and close once ours has come, as soon as nothing is left to be taken. */
  #passEnd(): void {
    if (this.#endPassed || this.inbound.length > 0) return;
    this.#endPassed = true;
    endReading(this.socket);
  }

  /** Has the socket read again if there is room. When there is none, the next chunk that comes stops it. */
  protected updateReading(): void {
    if (this.inbound.ended) {
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
    if (this.#inputDropped) return this.upgrade !== 'under way';
    if (this.paused || this.outbound.isFull || this.upgrade === 'under way') return false;
    if (this.link !== undefined) return this.link.wants;
    if (this.isReaderWaiting) return !this.runner.interrupting;
    // In pull style, as much may wait as may wait to be sent; in push style, one chunk while a hook runs, else what is no message yet.
    if (!this.isOpen) return this.inbound.length < this.host.highWaterMark;
    return this.runner.running === undefined || this.inbound.length === 0;
  }

  // What `recv` takes.

  /** Hot path of pull style. */
  protected receive(request: ReadRequest, iterates: boolean, timeout: number | undefined): Promise<unknown> {
    const refusal = this.#refusalToReceive();
    if (refusal !== undefined) return Promise.reject(new StateError(refusal));
    // Where nothing has come that could be taken, there is no need to try.
    if (this.inbound.length > 0 || this.inbound.ended || this.#inputDropped || this.isEnding) {
      let value: unknown;
      try {
        value = this.#take(request);
      } catch (error) {
        return Promise.reject(asError(error));
      }
      if (value !== undefined) return Promise.resolve(iterates ? iteratorResult(value) : value);
    }
    this.#read ??= new PendingRead(() => this.releaseReader());
    const promise = this.#read.wait(request, iterates, timeout ?? this.recvTimeout);
    // What the handler has sent leaves before it waits.
    if (!this.outbound.held) this.outbound.flush();
    // The time until it asked was not the client's.
    this.touch();
    this.parked();
    return promise;
  }

  #refusalToReceive(): string | undefined {
    if (this.isReaderWaiting) return 'recv() was called while another recv() waits: await one before the next';
    if (this.link !== undefined) {
      return 'recv() was called on a connection whose stream was taken: read from conn.stream';
    }
    if (this.runner.running === undefined && !this.isEnding) {
      return 'recv() was called in push style outside of a hook: data goes to @OnData; leave @OnData out to read with recv()';
    }
    return undefined;
  }

  /** What `request` asks for if it is there; `undefined` if it has to be waited for. */
  #take(request: ReadRequest): unknown {
    if (this.isEnding || this.#inputDropped) {
      const reason = this.reason;
      if (reason === undefined || isOrderly(reason.kind)) return null;
      throw reason.error instanceof TimeoutError ? reason.error : new ConnectionClosedError(reason);
    }
    if (this.runner.interrupting) return undefined;
    if (this.outbound.isFull) {
      this.heldBack = true;
      return undefined;
    }
    const value = this.inbound.read(request);
    if (value === undefined) return undefined;
    if (value !== null && request.kind === 'message') this.host.counters.messagesIn++;
    this.updateReading();
    return value;
  }

  /** Hot path of pull style: gives the `recv` that waits for a message a chunk that is one; returns whether there is such a `recv`. */
  protected settleReader(chunk: Buffer): boolean {
    const read = this.#read;
    if (read === undefined || !read.waiting || read.request !== nextMessage || this.runner.interrupting) return false;
    this.host.counters.messagesIn++;
    read.settle(chunk);
    return true;
  }

  /** Gives the `recv` that waits what it wants, if that is there. */
  protected serveReader(): void {
    const read = this.#read;
    if (read === undefined || !read.waiting) return;
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
  protected releaseReader(): void {
    if (!this.runner.interrupting) this.serveReader();
  }

  // How the sending goes.

  outboundStalled(): void {
    if (this.inbound.ended) destroyIfReset(this.socket);
    this.lastSent = performance.now();
    this.host.send.add(this.self);
  }

  outboundMoved(): void {
    // Over TLS every write stalls for a moment: its time limit is not taken back each time, but found to be void when it is looked at.
    this.lastSent = this.outbound.stalled ? performance.now() : Infinity;
    this.pump();
  }

  outboundFlushed(): void {
    if (this.heldBack) this.pump();
  }
}
