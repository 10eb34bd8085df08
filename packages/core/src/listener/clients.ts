import type { Socket } from 'node:net';
import { bytes } from '../codec/bytes.js';
import type { Codec } from '../codec/codec.js';
import type { Admitted } from '../connection/admitted.js';
import { asError } from '../connection/as-error.js';
import type { CloseReason } from '../connection/connection.js';
import type { ConnectionHost, HandshakeOutcome } from '../connection/connection-host.js';
import { Deadlines } from '../connection/deadlines.js';
import type { Environment } from '../connection/environment.js';
import { SocketConnection } from '../connection/socket-connection.js';
import type { Descriptor, Timeouts } from '../descriptor/descriptor.js';
import { StateError } from '../errors.js';
import { channels, type HandshakeEvent } from '../telemetry/channels.js';
import { FloodGate } from '../telemetry/flood-gate.js';
import type { Logger } from '../telemetry/logger.js';
import { Counters, failureOf, type ListenerStatistics, type RejectReason } from '../telemetry/statistics.js';
import { describeEndpoint, plainAddress, remoteOf } from '../transport/endpoint.js';
import { descriptorCeiling, descriptorOf } from '../transport/file-descriptors.js';
import { hold, resetSocket } from '../transport/held-socket.js';
import { TrustedNetworks } from '../transport/proxy-protocol/trusted-networks.js';
import { nameAskedFor } from '../transport/tls/handshake-failure.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';
import type { TlsTerminator } from '../transport/tls/tls-terminator.js';
import { Admission, type AdmissionDesk } from './admission.js';
import { Alarms } from './alarms.js';
import { Arrival } from './arrival.js';
import { CountWatch } from './count-watch.js';
import type { Listener } from './listener.js';
import type { Owners } from './owners.js';
import { SetUp, type SetUpHost } from './set-up.js';
import { upgradeCertificates } from './upgrade-certificates.js';

type AnyConnection = SocketConnection<unknown, unknown>;

/** How long a client may take to answer our FIN with its own, in milliseconds; it keeps its place meanwhile. */
const LINGER = 1_000;

/** A burst of clients refused for want of descriptors is over after so many milliseconds without one. */
const BURST_GAP = 5_000;

/** The certificates that a listener works with. */
export interface ListenerTls {
  /** For every connection, from its beginning; `undefined` where the listener is not secure. */
  readonly secure: TlsTerminator | undefined;
  /** For `startTls()` without options. */
  readonly upgrade: TlsTerminator | undefined;
}

/** All clients of a listener, from the kernel's hand to their end: has them admitted and set up, and keeps their connections. */
export class Clients implements ConnectionHost, AdmissionDesk, SetUpHost {
  readonly counters = new Counters();
  readonly codec: Codec<unknown, unknown>;
  readonly highWaterMark: number;
  idle: Deadlines<AnyConnection> | undefined;
  startTimeout: number;
  readonly send: Deadlines<AnyConnection>;
  readonly linger: Deadlines<AnyConnection>;
  readonly gate: FloodGate;
  /** Those whose `@OnConnection` was entered and that have not closed. */
  readonly connections = new Set<AnyConnection>();
  readonly #owners: Owners;
  readonly #logger: Logger;
  readonly #tls: ListenerTls;
  readonly #admission: Admission;
  readonly #setUp: SetUp;
  /** Whom a PROXY header is believed; `undefined` where none is read. */
  readonly #trusted: TrustedNetworks | undefined;
  readonly #alarms: Alarms | undefined;
  readonly #ceiling = descriptorCeiling();
  #lastRefusal = -Infinity;
  readonly #watch = new CountWatch();
  #open = 0;

  constructor(
    readonly listener: Listener & { readonly isStopping: boolean },
    descriptor: Descriptor,
    owners: Owners,
    logger: Logger,
    tls: ListenerTls,
  ) {
    this.#owners = owners;
    this.#logger = logger;
    this.#tls = tls;
    this.codec = descriptor.codec ?? bytes();
    const { options, timeouts, alarms, proxyProtocol } = descriptor;
    this.highWaterMark = options.highWaterMark;
    this.startTimeout = timeouts.handshake;
    const sent = (connection: AnyConnection): number => connection.lastSent;
    this.idle = idleDeadlines(timeouts.idle);
    this.send = new Deadlines(timeouts.send, sent, (connection) => connection.sendExpired());
    this.linger = new Deadlines(LINGER, sent, (connection) => connection.lingerExpired());
    this.gate = new FloodGate(logger, { listener: descriptor.name });
    this.#alarms = alarms.length === 0 ? undefined : new Alarms(alarms, listener, this.gate);
    this.#admission = new Admission(descriptor, this);
    this.#setUp = new SetUp(this, descriptor, owners, tls.secure);
    this.#trusted = proxyProtocol === false ? undefined : new TrustedNetworks(proxyProtocol.trust);
  }

  get env(): Environment {
    return this.listener.env;
  }

  get isStopping(): boolean {
    return this.listener.isStopping;
  }

  /** Admitted and not yet over, exempt ones included. */
  get open(): number {
    return this.#open;
  }

  /** Resolves when `predicate` is true of how many are open. */
  waitFor(predicate: (open: number) => boolean, timeout = Infinity): Promise<void> {
    return this.#watch.wait(this.#open, predicate, timeout);
  }

  figures(): Omit<ListenerStatistics, 'name' | 'status' | 'address' | 'port'> {
    const { counters } = this;
    const { acceptors } = this.#setUp;
    const bytesOf = { in: counters.bytesIn, out: counters.bytesOut };
    for (const connection of this.connections) {
      bytesOf.in += connection.bytesRead;
      bytesOf.out += connection.bytesWritten;
    }
    return {
      acceptors: { size: acceptors.size, busy: acceptors.busy, waiting: acceptors.waiting },
      connections: {
        active: this.#open,
        waiting: this.#admission.waiting,
        accepted: counters.accepted,
        rejected: { ...counters.rejected },
        closed: { ...counters.closed },
      },
      bytes: bytesOf,
      messages: { in: counters.messagesIn, out: counters.messagesOut },
      tls: { ...counters.tls, failed: { ...counters.tls.failed } },
      handlerErrors: counters.handlerErrors,
    };
  }

  // Limits.

  get maxConnections(): number {
    return this.#admission.maxConnections;
  }

  set maxConnections(limit: number) {
    this.#admission.maxConnections = limit;
  }

  get maxConnectionsPerIp(): number {
    return this.#admission.maxConnectionsPerIp;
  }

  set maxConnectionsPerIp(limit: number) {
    this.#admission.maxConnectionsPerIp = limit;
    if (!this.#asksForAddresses) return;
    for (const client of this.#admission.queue) this.#locate(client);
    for (const client of this.#setUp.clients()) this.#locate(client);
    for (const connection of this.connections) this.#locate(connection);
  }

  resize(acceptors: number): void {
    this.#setUp.acceptors.resize(acceptors);
  }

  setTimeouts(timeouts: Timeouts): void {
    this.startTimeout = timeouts.handshake;
    this.send.duration = timeouts.send;
    this.#admission.waitTimeout = timeouts.wait;
    this.#setUp.setTimeouts(timeouts);
    this.#limitIdleness(timeouts.idle);
  }

  #limitIdleness(timeout: number): void {
    if (this.idle !== undefined && timeout !== Infinity) {
      this.idle.duration = timeout;
    } else if (this.idle !== undefined) {
      this.idle.clear();
      this.idle = undefined;
    } else if (timeout !== Infinity) {
      this.idle = idleDeadlines(timeout);
      for (const connection of this.connections) connection.idleBegins();
    }
  }

  // Stopping.

  /** Refuses those who are no connections yet, and tells the connections. */
  stop(): void {
    this.#admission.clear();
    for (const arrival of this.#setUp.acceptors.clear()) this.refused(arrival, 'shutdown', 'reset');
    this.#setUp.stop();
    for (const connection of this.connections) connection.stop();
  }

  /** Resets all. */
  cutOff(): void {
    this.#setUp.cutOff();
    for (const connection of this.connections) connection.cutOff();
  }

  /** Waits no longer for the hooks of closed connections. */
  abandonHooks(): void {
    this.#open = 0;
    this.#watch.tell(this.#open);
  }

  // Arriving. Hot path for short connections.

  /** A client has connected. */
  arrive(socket: Socket): void {
    this.counters.accepted++;
    const ip = this.#asksForAddresses ? plainAddress(socket.remoteAddress ?? '') : '';
    const refusal = this.#refusal(socket, ip);
    if (refusal !== undefined) {
      this.#refuse(socket, refusal);
      return;
    }
    const arrival = new Arrival(socket, ip, this.#setUp);
    if (channels.open.hasSubscribers || channels.rejected.hasSubscribers) arrival.arrivedAt = performance.now();
    if (!this.#setUp.beginsWithTls) hold(socket, arrival);
    this.#admission.enter(arrival);
    if (arrival.state === 'waiting') this.#setUp.wait(arrival);
  }

  /** Asking the system for them is a good part of what a short connection costs. Where there is a PROXY header, it tells them. */
  get #asksForAddresses(): boolean {
    return this.#admission.asksForAddresses && this.#trusted === undefined;
  }

  /** Has a client counted that came when its address did not matter. */
  #locate(client: Arrival | AnyConnection): void {
    if (client.ip === '') this.#admission.locate(client, client.remote.address);
  }

  #refusal(socket: Socket, ip: string): RejectReason | undefined {
    if (this.isStopping) return 'shutdown';
    if (descriptorOf(socket) >= this.#ceiling) return this.#outOfDescriptors();
    const distrust = this.#trusted === undefined ? undefined : this.#distrust(socket, this.#trusted);
    if (distrust !== undefined) return distrust;
    return this.#admission.refusal(ip);
  }

  #refuse(socket: Socket, reason: RejectReason): void {
    this.counters.rejected[reason]++;
    if (channels.rejected.hasSubscribers) {
      channels.rejected.publish({
        listener: this.listener,
        reason,
        remote: remoteOf(socket),
        error: undefined,
        waited: 0,
      });
    }
    resetSocket(socket);
  }

  #rejected(arrival: Arrival, reason: RejectReason, error?: Error): void {
    this.counters.rejected[reason]++;
    if (channels.rejected.hasSubscribers) {
      const { remote } = arrival;
      channels.rejected.publish({ listener: this.listener, reason, remote, error, waited: waitOf(arrival) });
    }
  }

  #distrust(socket: Socket, trusted: TrustedNetworks): RejectReason | undefined {
    // Who connects to a Unix socket is on this machine, and had the right to.
    if (this.listener.endpoint.family === 'unix') return undefined;
    const { remoteAddress } = socket;
    // A balancer's check whether the port is open may be gone by now.
    if (remoteAddress === undefined) return 'client';
    if (trusted.includes(remoteAddress)) return undefined;
    const message = 'refused a connection that did not come from a trusted network: see proxyProtocol.trust';
    this.gate.write('info', message, () => ({ remote: describeEndpoint(remoteOf(socket)) }));
    return 'untrusted';
  }

  #outOfDescriptors(): RejectReason {
    const now = performance.now();
    if (now - this.#lastRefusal > BURST_GAP) {
      this.#logger.warn(
        { listener: this.listener.name, ceiling: this.#ceiling },
        'refusing connections: the process is about to run out of file descriptors; raise its limit (ulimit -n, LimitNOFILE) or set maxConnections',
      );
    }
    this.#lastRefusal = now;
    return 'fileDescriptors';
  }

  admitted(arrival: Arrival): void {
    this.#open++;
    this.#alarms?.check(this.#open);
    this.#watch.tell(this.#open);
    this.#setUp.enter(arrival);
  }

  turnedAway(arrival: Arrival, reason: RejectReason, closing: 'reset' | 'closes' = 'reset', error?: Error): void {
    arrival.state = 'done';
    this.#rejected(arrival, reason, error);
    if (closing === 'reset') resetSocket(arrival.socket);
  }

  identified(arrival: Arrival): RejectReason | undefined {
    return this.#admission.identify(arrival);
  }

  abandoned(arrival: Arrival): void {
    this.#rejected(arrival, 'client');
    this.#admission.abandon(arrival);
  }

  refused(arrival: Arrival, reason: RejectReason, closing: 'reset' | 'closes', error?: Error): void {
    this.turnedAway(arrival, reason, closing, error);
    this.#gone(arrival);
  }

  connect(arrival: Arrival): void {
    let connection: AnyConnection;
    try {
      connection = new SocketConnection(this, arrival.socket, arrival, arrival.env);
    } catch (error) {
      // The codec's: it makes a decoder for each connection.
      this.#setUp.connectFailed(arrival, error);
      return;
    }
    arrival.state = 'done';
    if (arrival.early !== undefined) connection.receiveEarly(arrival.early);
    if (arrival.highWaterMark !== undefined) connection.setOptions({ highWaterMark: arrival.highWaterMark });
    if (channels.open.hasSubscribers)
      channels.open.publish({ listener: this.listener, connection, waited: waitOf(arrival) });
    let owner: object;
    try {
      owner = this.#owners.own(connection, this.listener);
    } catch (error) {
      this.counters.handlerErrors++;
      connection.abandon(this.#owners.hooks.className, asError(error));
      return;
    }
    // A hook has set a limit just now: until here, it was neither among those who are set up nor among the connections.
    if (this.#asksForAddresses) this.#locate(connection);
    this.connections.add(connection);
    connection.start(owner, this.#owners.hooks);
    if (arrival.ended) connection.socketEnded();
  }

  // What a connection tells.

  terminator(options: TlsOptions | undefined): TlsTerminator {
    if (options !== undefined) return upgradeCertificates(options);
    if (this.#tls.upgrade !== undefined) return this.#tls.upgrade;
    throw new StateError(
      'startTls() was called without options, and the application has none: give them to it, or to bootstrap(AppModule, { secure })',
    );
  }

  handshakeEnded(client: Arrival | AnyConnection, outcome: HandshakeOutcome): void {
    const { tls } = this.counters;
    const { socket, error } = outcome;
    if (error === undefined) tls.handshakes++;
    else tls.failed[failureOf(error)]++;
    if (socket?.isSessionReused()) tls.resumed++;
    if (channels.handshake.hasSubscribers) channels.handshake.publish(this.#handshakeEvent(client, outcome));
  }

  #handshakeEvent(client: Arrival | AnyConnection, { since, socket, error }: HandshakeOutcome): HandshakeEvent {
    return {
      listener: this.listener,
      connection: client instanceof SocketConnection ? client : undefined,
      remote: client.remote,
      duration: performance.now() - since,
      resumed: socket?.isSessionReused() === true,
      protocol: socket?.getProtocol() ?? undefined,
      cipher: socket?.getCipher().name,
      serverName: (socket && nameAskedFor(socket)) || undefined,
      alpnProtocol: socket?.alpnProtocol || undefined,
      failure: error === undefined ? undefined : failureOf(error),
      error,
    };
  }

  connectionStarted(): void {
    this.#setUp.acceptors.leave();
  }

  connectionExempt(connection: AnyConnection): void {
    this.#admission.exempt(connection);
  }

  connectionClosed(connection: AnyConnection, reason: CloseReason): void {
    this.connections.delete(connection);
    this.counters.bytesIn += connection.bytesRead;
    this.counters.bytesOut += connection.bytesWritten;
    this.counters.closed[reason.kind]++;
    if (channels.close.hasSubscribers) channels.close.publish({ listener: this.listener, connection, reason });
  }

  connectionFinished(connection: AnyConnection): void {
    this.#owners.disown(connection)?.catch((error: unknown) => {
      this.gate.writeError('error', 'dispose() failed', asError(error), () => ({ connection: connection.id }));
    });
    this.#gone(connection);
  }

  #gone(client: Admitted): void {
    if (this.#open > 0) this.#open--;
    // Lets the next one in, so it comes after the count.
    this.#admission.leave(client);
    this.#watch.tell(this.#open);
  }
}

/** Milliseconds since it came; `undefined` if nobody wanted to know then. */
function waitOf({ arrivedAt }: Arrival): number | undefined {
  return arrivedAt === undefined ? undefined : performance.now() - arrivedAt;
}

/** For those who are not heard; `undefined` where nobody listens for that. */
function idleDeadlines(timeout: number): Deadlines<AnyConnection> | undefined {
  if (timeout === Infinity) return undefined;
  return new Deadlines(
    timeout,
    (connection) => connection.lastActive,
    (connection) => connection.idleExpired(),
  );
}
