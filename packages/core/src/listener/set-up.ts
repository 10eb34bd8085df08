import type { TLSSocket } from 'node:tls';
import { asError } from '../connection/as-error.js';
import type { HandshakeOutcome } from '../connection/connection-host.js';
import { Deadlines } from '../connection/deadlines.js';
import type { Environment } from '../connection/environment.js';
import { isPromise } from '../connection/promise-like.js';
import type { Descriptor, Timeouts } from '../descriptor/descriptor.js';
import { TimeoutError, TlsError } from '../errors.js';
import { type HookEvent, hookTracing, traceHook } from '../telemetry/channels.js';
import type { FloodGate } from '../telemetry/flood-gate.js';
import { type Counters, failureOf, type RejectReason } from '../telemetry/statistics.js';
import { describeEndpoint, plainAddress } from '../transport/endpoint.js';
import { hold, isHeld, nextTurn, nobody, passOn, readOn } from '../transport/held-socket.js';
import { ProxyHeaderReader } from '../transport/proxy-protocol/proxy-header-reader.js';
import type { TlsTerminator } from '../transport/tls/tls-terminator.js';
import { AcceptorPool } from './acceptor-pool.js';
import type { Arrival, ArrivalDesk } from './arrival.js';
import type { Listener } from './listener.js';
import type { Owners } from './owners.js';
import { SocketIncoming } from './socket-incoming.js';

/** Bytes that are read of a client while it waits. The last chunk may go beyond. */
const READ_AHEAD = 16_384;

/** What the set-up of connections needs of their listener. */
export interface SetUpHost {
  readonly listener: Listener;
  readonly env: Environment;
  readonly gate: FloodGate;
  readonly counters: Counters;
  handshakeEnded(arrival: Arrival, outcome: HandshakeOutcome): void;
  readonly isStopping: boolean;
  /** Counts a client by its address, now that it is known; why it may not stay, if so. */
  identified(arrival: Arrival): RejectReason | undefined;
  /** All is set up. */
  connect(arrival: Arrival): void;
  /** A client in the queue of admission has gone by itself. */
  abandoned(arrival: Arrival): void;
  /** An admitted client is refused: `'reset'`, or closed by itself. Counts it, and frees its place among the connections. */
  refused(arrival: Arrival, reason: RejectReason, closing: 'reset' | 'closes', error?: Error): void;
}

/** What the acceptors do: the PROXY header, `@OnAccept` and the TLS handshake of each client, each within its time limit. */
export class SetUp implements ArrivalDesk {
  readonly acceptors: AcceptorPool;
  readonly #host: SetUpHost;
  readonly #owners: Owners;
  readonly #proxyProtocol: Descriptor['proxyProtocol'];
  /** Where the listener is secure. */
  readonly #tls: TlsTerminator | undefined;
  readonly #headers: Deadlines<Arrival>;
  /** For `@OnAccept`, and then anew for the handshake. */
  readonly #steps: Deadlines<Arrival>;
  /** Clients in a step that may take long. */
  readonly #slow = new Set<Arrival>();

  constructor(host: SetUpHost, descriptor: Descriptor, owners: Owners, tls: TlsTerminator | undefined) {
    this.#host = host;
    this.#owners = owners;
    this.#proxyProtocol = descriptor.proxyProtocol;
    this.#tls = tls;
    const since = (arrival: Arrival): number => arrival.since;
    const { proxyHeader, handshake } = descriptor.timeouts;
    this.#headers = new Deadlines(proxyHeader, since, (arrival) =>
      this.#headerFailed(arrival, new TimeoutError('proxyHeader', this.#headers.duration)),
    );
    this.#steps = new Deadlines(handshake, since, (arrival) => this.#stepExpired(arrival, this.#steps.duration));
    this.acceptors = new AcceptorPool(descriptor.acceptors, (arrival) => this.#step(arrival));
  }

  /** All who are admitted and no connections yet. */
  *clients(): Iterable<Arrival> {
    yield* this.acceptors.queue();
    yield* this.#slow;
  }

  /** From now on, for those under way as well. */
  setTimeouts({ proxyHeader, handshake }: Timeouts): void {
    this.#headers.duration = proxyHeader;
    this.#steps.duration = handshake;
  }

  /** The listener stops: refuses those who keep it waiting. */
  stop(): void {
    for (const arrival of this.#slow) if (arrival.state !== 'accepting') this.turnAway(arrival, 'shutdown');
  }

  /** Refuses all who are in a step that may take long: the time to stop in is over. */
  cutOff(): void {
    for (const arrival of this.#slow) this.turnAway(arrival, 'shutdown');
  }

  /** Whether the next step is TLS, which listens to the socket itself. */
  get beginsWithTls(): boolean {
    return this.#tls !== undefined && this.#proxyProtocol === false && this.#owners.hooks.accept === undefined;
  }

  /** An admitted client gets an acceptor, or waits for one. */
  enter(arrival: Arrival): void {
    this.acceptors.enter(arrival);
    if (arrival.state === 'admitted') this.wait(arrival);
  }

  /** Reads a little of a client that waits: only so is it noticed that it has gone. */
  wait(arrival: Arrival): void {
    if (!isHeld(arrival.socket)) hold(arrival.socket, arrival);
    readOn(arrival.socket);
  }

  /** Gives an admitted client up, and its acceptor with it. */
  turnAway(arrival: Arrival, reason: RejectReason, closing: 'reset' | 'closes' = 'reset', error?: Error): void {
    if (arrival.state === 'done') return;
    arrival.state = 'done';
    this.#endStep(arrival);
    this.#host.refused(arrival, reason, closing, error);
    this.acceptors.giveUp(arrival);
  }

  // What clients do meanwhile.

  received(arrival: Arrival, chunk: Buffer): boolean {
    if (arrival.state === 'header') return this.#readHeader(arrival, chunk);
    // What has come while it waited, or follows the handshake at once and has been decrypted already, is for the next step.
    arrival.early = arrival.early === undefined ? chunk : Buffer.concat([arrival.early, chunk]);
    return this.#readsAhead(arrival);
  }

  ended(arrival: Arrival): void {
    arrival.ended = true;
    if (arrival.state === 'header') this.turnAway(arrival, 'client');
  }

  closed(arrival: Arrival): void {
    if (arrival.state === 'waiting') {
      arrival.state = 'done';
      this.#host.abandoned(arrival);
    } else if (arrival.state === 'handshake') {
      // Why it has closed, TLS tells next, if it knows.
      nextTurn(() => this.handshakeFailed(arrival, new TlsError('client')));
    } else {
      this.turnAway(arrival, 'client');
    }
  }

  // One step after the other. Hot path for short connections.

  #step(arrival: Arrival): void {
    if (this.#host.isStopping) {
      this.turnAway(arrival, 'shutdown');
    } else if (arrival.state === 'admitted') {
      if (this.#proxyProtocol === false) this.#decide(arrival);
      else this.#awaitHeader(arrival, this.#proxyProtocol.versions);
    } else if (arrival.state === 'identified') {
      this.#decide(arrival);
    } else {
      this.#host.connect(arrival);
    }
  }

  #decide(arrival: Arrival): void {
    arrival.state = 'accepting';
    if (this.#owners.hooks.accept === undefined) this.#encrypt(arrival);
    else this.#accept(arrival);
  }

  #encrypt(arrival: Arrival): void {
    if (this.#tls === undefined) this.#host.connect(arrival);
    else this.#handshake(arrival, this.#tls);
  }

  #beginStep(arrival: Arrival, limits: Deadlines<Arrival>): void {
    this.#slow.add(arrival);
    arrival.since = performance.now();
    limits.add(arrival);
  }

  #endStep(arrival: Arrival): void {
    if (!this.#slow.delete(arrival)) return;
    this.#headers.delete(arrival);
    this.#steps.delete(arrival);
  }

  #stepExpired(arrival: Arrival, limit: number): void {
    if (arrival.state === 'accepting') {
      this.#acceptFailed(arrival, new TimeoutError('accept', limit));
    } else {
      this.#handshakeEnded(arrival, new TimeoutError('handshake', limit));
    }
  }

  // The PROXY header.

  #awaitHeader(arrival: Arrival, versions: readonly (1 | 2)[]): void {
    arrival.state = 'header';
    arrival.reader = new ProxyHeaderReader(versions);
    this.#beginStep(arrival, this.#headers);
    const early = arrival.early;
    arrival.early = undefined;
    if (early === undefined || this.#readHeader(arrival, early)) readOn(arrival.socket);
    if (arrival.state !== 'header') return;
    if (arrival.ended) this.turnAway(arrival, 'client');
    else this.acceptors.lend(arrival);
  }

  #readHeader(arrival: Arrival, chunk: Buffer): boolean {
    let read: ReturnType<ProxyHeaderReader['read']> | undefined;
    try {
      read = arrival.reader?.read(chunk);
    } catch (error) {
      this.#headerFailed(arrival, asError(error));
      return false;
    }
    if (read === undefined || read === 'more') return true;
    this.#endStep(arrival);
    arrival.reader = undefined;
    arrival.proxy = read.header;
    arrival.state = 'identified';
    if (read.rest.length > 0) arrival.early = read.rest;
    // A balancer that speaks for itself, or does not know for whom, is no client of whom there could be too many.
    if (read.header.source?.family !== 'unix') arrival.ip = plainAddress(read.header.source?.address ?? '');
    const refusal = this.#host.identified(arrival);
    if (refusal === undefined) this.acceptors.reclaim(arrival);
    else this.turnAway(arrival, refusal);
    return this.#wantsMore(arrival);
  }

  /** Whether the chunk that has ended the header is not to stop the reading. */
  #wantsMore(arrival: Arrival): boolean {
    // A connection has asked for more already, which would come to nothing.
    if (arrival.state === 'done') return true;
    return (arrival.state === 'accepting' || arrival.state === 'identified') && this.#readsAhead(arrival);
  }

  /** Whether so little is known of a client that waits that its end may come next. */
  #readsAhead(arrival: Arrival): boolean {
    return (arrival.early?.length ?? 0) < READ_AHEAD;
  }

  #headerFailed(arrival: Arrival, error: Error): void {
    this.#host.gate.write('info', 'refused a connection without a valid PROXY header', () => ({
      remote: describeEndpoint(arrival.remote),
      error: error.message,
    }));
    this.turnAway(arrival, 'proxyHeader', 'reset', error);
  }

  // `@OnAccept`.

  #accept(arrival: Arrival): void {
    const incoming = new SocketIncoming(arrival.socket, this.#host.env, arrival.proxy);
    const decide = (): void => this.#accepted(arrival, incoming);
    const { listener } = this.#host;
    let decision: unknown;
    try {
      decision = hookTracing.hasSubscribers
        ? this.#traceAccept(incoming)
        : this.#owners.hooks.accept?.call(this.#owners.acceptor, incoming, listener);
    } catch (error) {
      this.#acceptFailed(arrival, error);
      return;
    }
    if (!isPromise(decision)) {
      decide();
      return;
    }
    this.#beginStep(arrival, this.#steps);
    readOn(arrival.socket);
    decision.then(decide, (error) => this.#acceptFailed(arrival, error));
  }

  #traceAccept(incoming: SocketIncoming): unknown {
    const { listener } = this.#host;
    const { acceptor, hooks } = this.#owners;
    const event: HookEvent = { listener, connection: undefined, incoming, hook: 'accept', argument: undefined };
    return traceHook(event, hooks.accept as NonNullable<typeof hooks.accept>, acceptor, incoming, listener);
  }

  #accepted(arrival: Arrival, incoming: SocketIncoming): void {
    if (arrival.state === 'done') return;
    this.#endStep(arrival);
    if (incoming.rejected) {
      this.turnAway(arrival, 'accept');
    } else if (this.#host.isStopping) {
      this.turnAway(arrival, 'shutdown');
    } else {
      arrival.env = incoming.environment;
      arrival.highWaterMark = incoming.options.highWaterMark;
      this.#encrypt(arrival);
    }
  }

  #acceptFailed(arrival: Arrival, thrown: unknown): void {
    if (arrival.state === 'done') return;
    const { gate, counters } = this.#host;
    const error = asError(thrown);
    const fields = () => ({ remote: describeEndpoint(arrival.remote) });
    if (error instanceof TimeoutError) {
      gate.writeError('warn', '@OnAccept took too long', error, fields);
    } else {
      counters.handlerErrors++;
      gate.writeError('error', 'a connection could not be set up', error, fields);
    }
    this.turnAway(arrival, 'accept', 'reset', error);
  }

  /** What else can go wrong before there is a connection: the codec, which makes a decoder for each. */
  connectFailed(arrival: Arrival, error: unknown): void {
    this.#acceptFailed(arrival, error);
  }

  // The TLS handshake.

  #handshake(arrival: Arrival, tls: TlsTerminator): void {
    arrival.state = 'handshake';
    this.#beginStep(arrival, this.#steps);
    if (arrival.ended) {
      // Who ended while it waited cannot do its part of a handshake, and its end is not told to TLS again.
      this.handshakeFailed(arrival, new TlsError('client'));
      return;
    }
    // A refused certificate is worth an address in the log. It has to be asked for before the socket closes.
    if (tls.requestsCertificate) void arrival.socket.remoteAddress;
    const early = arrival.early;
    arrival.early = undefined;
    tls.begin(arrival.socket, arrival, early);
    if (arrival.state === 'handshake') this.acceptors.lend(arrival);
  }

  handshakeDone(arrival: Arrival, socket: TLSSocket): void {
    if (arrival.state === 'done') {
      socket.destroy();
      return;
    }
    this.#endStep(arrival);
    this.#host.handshakeEnded(arrival, { since: arrival.since, socket, error: undefined });
    arrival.state = 'secured';
    // The carrier has nothing to tell any more that the encrypted socket does not tell as well.
    passOn(arrival.socket, nobody);
    hold(socket, arrival);
    arrival.socket = socket;
    this.acceptors.reclaim(arrival);
  }

  handshakeFailed(arrival: Arrival, error: TlsError): void {
    if (arrival.state === 'handshake') this.#handshakeEnded(arrival, error);
  }

  #handshakeEnded(arrival: Arrival, error: TlsError | TimeoutError): void {
    this.#host.handshakeEnded(arrival, { since: arrival.since, socket: undefined, error });
    // A socket that has closed knows its peer only if it was asked before, and to ask each time is 2 % of a handshake.
    const remote = describeEndpoint(arrival.remote);
    this.#host.gate.write('info', 'TLS handshake failed', () => ({ remote, error: error.message }), failureOf(error));
    // One that has failed closes by itself, behind what it has to tell the client.
    this.turnAway(arrival, 'handshake', error instanceof TimeoutError || arrival.ended ? 'reset' : 'closes', error);
  }
}
