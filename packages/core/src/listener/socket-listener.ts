import type { X509Certificate } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { bytes } from '../codec/bytes.js';
import type { Codec } from '../codec/codec.js';
import type { Admitted } from '../connection/admitted.js';
import { asError } from '../connection/as-error.js';
import type { CloseReason, Connection } from '../connection/connection.js';
import type { ConnectionHost, HandshakeOutcome } from '../connection/connection-host.js';
import { Deadlines } from '../connection/deadlines.js';
import { type Environment, rootEnvironment } from '../connection/environment.js';
import { SocketConnection } from '../connection/socket-connection.js';
import { checkTimeouts } from '../descriptor/check.js';
import type { Descriptor, TimeoutOptions, Timeouts } from '../descriptor/descriptor.js';
import { ConfigurationError, StateError } from '../errors.js';
import { channels, type HandshakeEvent } from '../telemetry/channels.js';
import { FloodGate } from '../telemetry/flood-gate.js';
import type { Logger } from '../telemetry/logger.js';
import { Counters, failureOf, type ListenerStatistics, type RejectReason } from '../telemetry/statistics.js';
import { startTimer } from '../timer.js';
import { canReusePort } from '../transport/bind.js';
import type { Binder } from '../transport/binder.js';
import { describeEndpoint, type Endpoint, plainAddress, remoteOf } from '../transport/endpoint.js';
import { descriptorCeiling, descriptorOf } from '../transport/file-descriptors.js';
import { hold, resetSocket } from '../transport/held-socket.js';
import { TrustedNetworks } from '../transport/proxy-protocol/trusted-networks.js';
import { nameAskedFor } from '../transport/tls/handshake-failure.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';
import type { TlsTerminator } from '../transport/tls/tls-terminator.js';
import { Admission, type AdmissionDesk } from './admission.js';
import { Alarms } from './alarms.js';
import { Arrival } from './arrival.js';
import { Binding } from './binding.js';
import { CountWatch } from './count-watch.js';
import { Listener, type ListenerStatus, type StopOptions, type WaitOptions } from './listener.js';
import { ListenerProfile } from './listener-profile.js';
import type { Owners } from './owners.js';
import { SetUp, type SetUpHost } from './set-up.js';
import { upgradeCertificates } from './upgrade-certificates.js';

type AnyConnection = SocketConnection<unknown, unknown>;

/** How long a client may take to answer our FIN with its own, in milliseconds; it keeps its place meanwhile. */
const LINGER = 1_000;

/** How long hooks may still run after `stop` has reset their connections, in milliseconds. */
const LAST_HOOKS = 1_000;

/** A burst of clients refused for want of descriptors is over after so many milliseconds without one. */
const BURST_GAP = 5_000;

let lastId = 0;

/** The certificates that a listener works with. */
export interface ListenerTls {
  /** For every connection, from its beginning; `undefined` where the listener is not secure. */
  readonly secure: TlsTerminator | undefined;
  /** For `startTls()` without options. */
  readonly upgrade: TlsTerminator | undefined;
}

/** A listener over a server of `node:net`: takes sockets from the kernel, has them admitted and set up, and keeps the connections. */
export class SocketListener extends Listener implements ConnectionHost, AdmissionDesk, SetUpHost {
  readonly id = ++lastId;
  readonly env: Environment;
  readonly counters = new Counters();
  readonly codec: Codec<unknown, unknown>;
  readonly highWaterMark: number;
  idle: Deadlines<AnyConnection> | undefined;
  startTimeout: number;
  readonly send: Deadlines<AnyConnection>;
  readonly linger: Deadlines<AnyConnection>;
  readonly #descriptor: Descriptor;
  #timeouts: Timeouts;
  readonly #owners: Owners;
  readonly #server: Server;
  readonly #admission: Admission;
  readonly #setUp: SetUp;
  /** Whom a PROXY header is believed; `undefined` where none is read. */
  readonly #trusted: TrustedNetworks | undefined;
  readonly gate: FloodGate;
  readonly #alarms: Alarms | undefined;
  readonly #connections = new Set<AnyConnection>();
  /** Sockets that came before the application was up. */
  #held: Socket[] = [];
  #status: ListenerStatus = 'starting';
  /** Admitted and not yet over, exempt ones included. */
  #open = 0;
  readonly #ceiling = descriptorCeiling();
  #lastRefusal = -Infinity;
  readonly #watch = new CountWatch();
  readonly #binding: Binding;
  readonly #profile: ListenerProfile | undefined;
  #stopped: Promise<void> | undefined;
  #tellUp: () => void = () => undefined;
  /** Resolves when it is not starting any more, whatever has become of it. */
  readonly #up = new Promise<void>((resolve) => {
    this.#tellUp = resolve;
  });
  #tellOver: () => void = () => undefined;
  /** Resolves when it has stopped, for whatever reason; never rejects. */
  readonly over = new Promise<void>((resolve) => {
    this.#tellOver = resolve;
  });

  constructor(
    descriptor: Descriptor,
    owners: Owners,
    readonly logger: Logger,
    private readonly tls: ListenerTls,
    binder: Binder | undefined,
  ) {
    super();
    this.#descriptor = descriptor;
    this.#owners = owners;
    this.env = rootEnvironment(descriptor.env as Record<string, unknown>);
    this.codec = descriptor.codec ?? bytes();
    const { options, timeouts } = descriptor;
    this.highWaterMark = options.highWaterMark;
    this.#timeouts = Object.freeze({ ...timeouts });
    this.startTimeout = timeouts.handshake;
    const sent = (connection: AnyConnection): number => connection.lastSent;
    this.idle = idleDeadlines(timeouts.idle);
    this.send = new Deadlines(timeouts.send, sent, (connection) => connection.sendExpired());
    this.linger = new Deadlines(LINGER, sent, (connection) => connection.lingerExpired());
    this.gate = new FloodGate(logger, { listener: descriptor.name });
    this.#alarms = descriptor.alarms.length === 0 ? undefined : new Alarms(descriptor.alarms, this, this.gate);
    this.#admission = new Admission(descriptor, this);
    this.#setUp = new SetUp(this, descriptor, owners, tls.secure);
    this.#trusted =
      descriptor.proxyProtocol === false ? undefined : new TrustedNetworks(descriptor.proxyProtocol.trust);
    this.#server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: options.noDelay,
      keepAlive: options.keepAlive,
      keepAliveInitialDelay: options.keepAliveInitialDelay,
    });
    const { name, profile } = descriptor;
    this.#profile = profile === false ? undefined : new ListenerProfile(name, profile, logger);
    this.#binding = new Binding(this.#server, descriptor, binder);
    this.#server.on('connection', (socket) => this.#arrived(socket));
    this.#server.on('error', (error) => this.#serverFailed(error));
  }

  get listener(): Listener {
    return this;
  }

  get name(): string {
    return this.#descriptor.name;
  }

  get endpoint(): Endpoint {
    return this.#binding.endpoint;
  }

  get address(): string {
    return this.endpoint.address;
  }

  get port(): number {
    return this.endpoint.port;
  }

  get host(): string | undefined {
    return this.#descriptor.host;
  }

  get shutdownTimeout(): number {
    return this.#timeouts.shutdown;
  }

  get secure(): boolean {
    return this.tls.secure !== undefined;
  }

  get cert(): X509Certificate | undefined {
    return this.tls.secure?.certificate;
  }

  get status(): ListenerStatus {
    return this.#status;
  }

  get isStopping(): boolean {
    return this.#status === 'draining' || this.#status === 'stopped';
  }

  get connections(): ReadonlySet<Connection<unknown, unknown>> {
    return this.#connections;
  }

  get maxConnections(): number {
    return this.#admission.maxConnections;
  }

  set maxConnections(limit: number) {
    requireCount('maxConnections', limit, limit === Infinity);
    this.#admission.maxConnections = limit;
  }

  get maxConnectionsPerIp(): number {
    return this.#admission.maxConnectionsPerIp;
  }

  set maxConnectionsPerIp(limit: number) {
    requireCount('maxConnectionsPerIp', limit, limit === Infinity);
    this.#admission.maxConnectionsPerIp = limit;
    if (!this.#asksForAddresses) return;
    for (const client of this.#admission.queue) this.#locate(client);
    for (const client of this.#setUp.clients()) this.#locate(client);
    for (const connection of this.#connections) this.#locate(connection);
  }

  get timeouts(): Timeouts {
    return this.#timeouts;
  }

  setTimeouts(changes: TimeoutOptions): void {
    const checked = checkTimeouts(changes);
    if ('problems' in checked) {
      throw new ConfigurationError(checked.problems.map((problem) => ({ where: this.name, ...problem })));
    }
    const timeouts = Object.freeze({ ...this.#timeouts, ...checked.timeouts });
    this.#timeouts = timeouts;
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
      for (const connection of this.#connections) connection.idleBegins();
    }
  }

  resize(acceptors: number): void {
    requireCount('resize(acceptors)', acceptors);
    this.#setUp.acceptors.resize(acceptors);
  }

  async reloadCertificates(): Promise<void> {
    const tls = this.tls.secure ?? this.tls.upgrade;
    tls?.reload(this.name, this.logger);
  }

  terminator(options: TlsOptions | undefined): TlsTerminator {
    if (options !== undefined) return upgradeCertificates(options);
    if (this.tls.upgrade !== undefined) return this.tls.upgrade;
    throw new StateError(
      'startTls() was called without options, and the application has none: give them to it, or to bootstrap(AppModule, { secure })',
    );
  }

  stats(): ListenerStatistics {
    const { counters } = this;
    const { acceptors } = this.#setUp;
    const bytesOf = { in: counters.bytesIn, out: counters.bytesOut };
    for (const connection of this.#connections) {
      bytesOf.in += connection.bytesRead;
      bytesOf.out += connection.bytesWritten;
    }
    return {
      name: this.name,
      status: this.#status,
      address: this.address,
      port: this.port,
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

  broadcast(message: unknown): void {
    let failure: unknown;
    for (const connection of this.#connections) {
      try {
        connection.send(message);
      } catch (error) {
        // The others may have another codec, or another state of it.
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }

  // Starting and stopping.

  #become(status: ListenerStatus): void {
    const previous = this.#status;
    this.#status = status;
    this.#tellUp();
    if (channels.listenerStatus.hasSubscribers) channels.listenerStatus.publish({ listener: this, status, previous });
  }

  /** Binds. What arrives is held until `open`. Rejects with a ListenError. */
  bind(): Promise<void> {
    if (this.#descriptor.options.reusePort && !canReusePort()) {
      this.logger.warn(
        { listener: this.name, version: process.version },
        'options.reusePort has no effect: it needs Node.js 22.12 or newer',
      );
    }
    return this.#binding.inTurn(async () => {
      await this.#binding.bind();
      await this.#profile?.start();
    });
  }

  /** The application is up: serves those who came already, and whoever comes. */
  open(): void {
    if (this.#status !== 'starting') return;
    this.#become('listening');
    this.#profile?.serve();
    this.logger.info({ listener: this.name, address: this.#binding.description }, 'listening');
    const held = this.#held;
    this.#held = [];
    for (const socket of held) this.#arrived(socket);
  }

  suspend(): Promise<void> {
    return this.#binding.inTurn(async () => {
      await this.#up;
      if (this.#status !== 'listening') return;
      if (this.#descriptor.fd !== undefined) {
        throw new StateError(
          `${this.name} listens on an inherited descriptor, which cannot be opened again: it can be stopped, not suspended`,
        );
      }
      this.#become('suspended');
      this.#binding.release();
      this.logger.info({ listener: this.name }, 'suspended');
    });
  }

  resume(): Promise<void> {
    return this.#binding.inTurn(async () => {
      if (this.isStopping) throw new StateError(`${this.name} has been stopped and cannot resume`);
      if (this.#status !== 'suspended') return;
      await this.#binding.bind();
      // A stop that came meanwhile is next in turn, and releases it.
      if (this.isStopping) return;
      this.#become('listening');
      this.logger.info({ listener: this.name, address: this.#binding.description }, 'resumed');
    });
  }

  waitForConnections(
    predicate: (connections: number) => boolean,
    { timeout = Infinity }: WaitOptions = {},
  ): Promise<void> {
    return this.#watch.wait(this.#open, predicate, timeout);
  }

  stop({ timeout = this.#timeouts.shutdown }: StopOptions = {}): Promise<void> {
    this.#stopped ??= this.#drain();
    if (this.#status === 'stopped') return this.#stopped;
    // Each call may shorten the time that is left, so that the one who is in a hurry need not know of the others.
    const timer = startTimer(timeout, () => this.#cutOff());
    return this.#stopped.finally(() => clearTimeout(timer));
  }

  async #drain(): Promise<void> {
    const before = this.#status;
    this.#become('draining');
    await this.#binding.inTurn(async () => this.#binding.release());
    for (const socket of this.#held.splice(0)) {
      this.counters.accepted++;
      this.#refuse(socket, 'shutdown');
    }
    this.#admission.clear();
    for (const arrival of this.#setUp.acceptors.clear()) this.refused(arrival, 'shutdown', 'reset');
    this.#setUp.stop();
    for (const connection of this.#connections) connection.stop();
    await this.waitForConnections((open) => open === 0);
    await this.#profile?.stop();
    this.#become('stopped');
    this.gate.close();
    this.#tellOver();
    if (before !== 'starting') this.logger.info({ listener: this.name }, 'stopped');
  }

  /** The time to drain is over: resets what is left, and waits no longer than a moment for hooks that run on. */
  #cutOff(): void {
    if (this.#open === 0) return;
    this.logger.warn(
      { listener: this.name, connections: this.#open },
      'resetting connections that did not end in time',
    );
    this.#setUp.cutOff();
    for (const connection of this.#connections) connection.cutOff();
    const timer = startTimer(LAST_HOOKS, () => {
      if (this.#open === 0) return;
      this.logger.warn(
        { listener: this.name, connections: this.#open },
        'hooks of closed connections are still running; not waiting for them',
      );
      this.#open = 0;
      this.#watch.tell(this.#open);
    });
    void this.#stopped?.finally(() => clearTimeout(timer));
  }

  accept(socket: Socket): void {
    if (this.#status !== 'listening') {
      throw new StateError(`${this.name} is ${this.#status} and takes no connection`);
    }
    const { noDelay, keepAlive, keepAliveInitialDelay } = this.#descriptor.options;
    socket.allowHalfOpen = true;
    socket.pause();
    if (noDelay) socket.setNoDelay(true);
    if (keepAlive) socket.setKeepAlive(true, keepAliveInitialDelay);
    this.#arrived(socket);
  }

  // Arriving. Hot path for short connections.

  #arrived(socket: Socket): void {
    if (this.#status === 'starting') {
      this.#held.push(socket);
      return;
    }
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
      channels.rejected.publish({ listener: this, reason, remote: remoteOf(socket), error: undefined, waited: 0 });
    }
    resetSocket(socket);
  }

  #rejected(arrival: Arrival, reason: RejectReason, error?: Error): void {
    this.counters.rejected[reason]++;
    if (channels.rejected.hasSubscribers) {
      const { remote } = arrival;
      channels.rejected.publish({ listener: this, reason, remote, error, waited: waitOf(arrival) });
    }
  }

  #distrust(socket: Socket, trusted: TrustedNetworks): RejectReason | undefined {
    // Who connects to a Unix socket is on this machine, and had the right to.
    if (this.endpoint.family === 'unix') return undefined;
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
      this.logger.warn(
        { listener: this.name, ceiling: this.#ceiling },
        'refusing connections: the process is about to run out of file descriptors; raise its limit (ulimit -n, LimitNOFILE) or set maxConnections',
      );
    }
    this.#lastRefusal = now;
    return 'fileDescriptors';
  }

  #serverFailed(error: Error): void {
    // While binding, `bind` reports it. Later on, the kernel could not hand a connection over; the next one may well come.
    if (this.#server.listening) this.gate.writeError('error', 'a connection could not be accepted', error, () => ({}));
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
    if (channels.open.hasSubscribers) channels.open.publish({ listener: this, connection, waited: waitOf(arrival) });
    let owner: object;
    try {
      owner = this.#owners.own(connection, this);
    } catch (error) {
      this.counters.handlerErrors++;
      connection.abandon(this.#owners.hooks.className, asError(error));
      return;
    }
    // A hook has set a limit just now: until here, it was neither among those who are set up nor among the connections.
    if (this.#asksForAddresses) this.#locate(connection);
    this.#connections.add(connection);
    connection.start(owner, this.#owners.hooks);
    if (arrival.ended) connection.socketEnded();
  }

  // What a connection tells.

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
      listener: this,
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
    this.#connections.delete(connection);
    this.counters.bytesIn += connection.bytesRead;
    this.counters.bytesOut += connection.bytesWritten;
    this.counters.closed[reason.kind]++;
    if (channels.close.hasSubscribers) channels.close.publish({ listener: this, connection, reason });
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

function requireCount(what: string, value: number, allowed = false): void {
  if (allowed || (Number.isSafeInteger(value) && value >= 1)) return;
  throw new RangeError(`${what} takes a whole number of 1 or more, not ${value}`);
}
