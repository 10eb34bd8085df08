import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type InspectOptions, inspect } from 'node:util';
import { ConnectionClosedError } from '../errors.js';
import type { Listener } from '../listener/listener.js';
import { channels } from '../telemetry/channels.js';
import { describeEndpoint, type Endpoint, localOf, remoteOf } from '../transport/endpoint.js';
import type { ProxyHeader } from '../transport/proxy-protocol/proxy-header.js';
import type { Admitted } from './admitted.js';
import { type CloseReason, Connection, type PeerCertificate } from './connection.js';
import type { ConnectionHost } from './connection-host.js';
import { Ending } from './ending.js';
import { childEnvironment, type Environment } from './environment.js';
import { isOfTheClient } from './faults.js';
import type { SocketConnection } from './socket-connection.js';

type AnyConnection = SocketConnection<unknown, unknown>;

let lastId = 0;

/** Counts no bytes: those of a handshake. */
const NOTHING = { bytesRead: 0, bytesWritten: 0 } as const;

/**
 * What is known of a connection over a socket, and told of it: who it is, whose it is, what went wrong, and how it ended. What happens
 * to it is not decided here.
 */
export abstract class SocketFacts<In, Out> extends Connection<In, Out> implements Admitted {
  readonly id = ++lastId;
  ip: string;
  counted: boolean;
  protected readonly host: ConnectionHost;
  readonly proxy: ProxyHeader | undefined;
  /** The encrypted one, where there is one. */
  protected socket: Socket;
  /** Why it ended, or is ending. */
  protected reason: CloseReason | undefined;
  /** When the client was last heard, or waited for us, as `performance.now()`; kept only where there is an idle limit. */
  lastActive = 0;
  /** When the kernel last took bytes that had to wait, as `performance.now()`; `Infinity` if none wait any more. */
  lastSent = 0;
  #environment: Environment | undefined;
  #remote: Endpoint | undefined;
  #local: Endpoint | undefined;
  #ending: Ending | undefined;
  #peerCertificate: PeerCertificate | undefined;
  /** Bytes that came and went before the connection was encrypted. */
  #plainRead = 0;
  #plainWritten = 0;
  /** What counts the bytes after those. */
  #counted: Pick<Socket, 'bytesRead' | 'bytesWritten'>;

  constructor(
    host: ConnectionHost,
    socket: Socket,
    { ip, counted, proxy }: Admitted,
    environment: Environment | undefined,
  ) {
    super();
    this.host = host;
    this.socket = socket;
    this.#counted = socket;
    this.ip = ip;
    this.counted = counted;
    this.proxy = proxy;
    this.#environment = environment;
  }

  /** What `console.log` shows of it: who it is, not all that it is made of. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { id, secure, bytesRead, bytesWritten, reason } = this;
    const facts = { id, remote: describeEndpoint(this.remote), secure, bytesRead, bytesWritten };
    const ending = reason === undefined ? {} : { reason: reason.kind };
    return `Connection of ${this.listener.name} ${inspect({ ...facts, ...ending }, options)}`;
  }

  /** Whether the socket has closed, and `reason` is final. */
  protected abstract readonly isClosed: boolean;

  /** As its listener knows it. */
  protected get self(): AnyConnection {
    return this as unknown as AnyConnection;
  }

  get listener(): Listener {
    return this.host.listener;
  }

  get env(): Environment {
    this.#environment ??= childEnvironment(this.host.listener.env);
    return this.#environment;
  }

  get local(): Endpoint {
    if (this.#local === undefined) {
      const local = this.proxy?.destination ?? localOf(this.socket);
      // A closed socket no longer knows its own end, which is the listener's.
      this.#local = local.address === '' ? this.host.listener.endpoint : local;
    }
    return this.#local;
  }

  get remote(): Endpoint {
    this.#remote ??= this.proxy?.source ?? remoteOf(this.socket);
    return this.#remote;
  }

  get secure(): boolean {
    return this.#tls !== undefined;
  }

  get alpnProtocol(): string | undefined {
    return this.#tls?.alpnProtocol || undefined;
  }

  get serverName(): string | undefined {
    return (
      (this.#tls as (TLSSocket & { readonly servername?: string | false | null }) | undefined)?.servername || undefined
    );
  }

  peerCertificate(): PeerCertificate | undefined {
    if (this.#peerCertificate === undefined) {
      const tls = this.#tls;
      const certificate = tls?.getPeerCertificate(true);
      // An object without fields where the client has shown none, null where the socket has closed.
      if (tls === undefined || !certificate?.raw) return undefined;
      const problem = tls.authorizationError as Error | string | null | undefined;
      this.#peerCertificate = Object.assign(certificate, {
        authorized: tls.authorized,
        authorizationError: problem === null || problem === undefined ? undefined : String(problem),
      });
    }
    return this.#peerCertificate;
  }

  get #tls(): TLSSocket | undefined {
    return (this.socket as TLSSocket).encrypted === true ? (this.socket as TLSSocket) : undefined;
  }

  get bytesRead(): number {
    return this.#plainRead + this.#counted.bytesRead;
  }

  get bytesWritten(): number {
    return this.#plainWritten + this.#counted.bytesWritten;
  }

  get signal(): AbortSignal {
    return this.#toldEnding().signal;
  }

  get closed(): Promise<CloseReason> {
    return this.#toldEnding().closed;
  }

  /**
   * A closed socket knows its peer only if it was asked before. To ask is a good part of what a short connection costs, so it is done
   * only for those that may want to know after the end.
   */
  protected learnRemote(): void {
    if (this.proxy === undefined) void this.socket.remoteAddress;
  }

  /** A handshake begins: its bytes are not the connection's. `early` of those that were read belong to it. */
  handshakeBegins(early: number): void {
    this.#plainRead = this.bytesRead - early;
    this.#plainWritten = this.bytesWritten;
    this.#counted = NOTHING;
  }

  /** From now on an encrypted socket carries the connection. */
  protected changeSocket(socket: Socket): void {
    this.socket = socket;
    this.#counted = socket;
  }

  /** Starts the idle time anew. Hot path, and free where there is no idle limit. */
  protected touch(): void {
    if (this.host.idle !== undefined) this.lastActive = performance.now();
  }

  /** Starts the idle time anew, also where it has run out, or there was no limit so far. */
  protected restartIdleTime(): void {
    if (this.isClosed) return;
    this.touch();
    this.host.idle?.add(this.self);
  }

  /** What a line of the log says of this connection, besides the name of its listener. */
  protected logFields(): Readonly<Record<string, unknown>> {
    return { connection: this.id, remote: describeEndpoint(this.remote) };
  }

  /** Tells the subscribers of an error. */
  protected announce(error: Error): void {
    if (!channels.error.hasSubscribers) return;
    channels.error.publish({ listener: this.host.listener, connection: this.self, error });
  }

  /** Tells the log of an error that ends the connection. */
  protected logFailure(error: Error): void {
    if (!isOfTheClient(error)) {
      this.logError(error, 'connection failed');
      return;
    }
    // An everyday matter, which any client can bring about: a line, and no stack.
    const fields = () => ({ ...this.logFields(), code: error.code, error: error.message });
    this.host.gate.write('info', 'connection failed', fields, error.code);
  }

  protected logError(error: Error, message: string): void {
    this.host.gate.writeError('error', message, error, () => this.logFields());
  }

  /** What is thrown where the connection has closed. */
  closedError(): ConnectionClosedError {
    return new ConnectionClosedError(this.reason ?? { kind: 'server' });
  }

  /** The socket has closed: those who asked for it are told. */
  protected tellEnding(reason: CloseReason): void {
    this.#ending?.tell(reason);
  }

  /** The last hook has ended: what the connection carried is not needed any more. */
  protected forgetEnvironment(): void {
    this.#environment = undefined;
  }

  #toldEnding(): Ending {
    if (this.#ending === undefined) {
      this.#ending = new Ending();
      this.learnRemote();
      if (this.isClosed && this.reason !== undefined) this.#ending.tell(this.reason);
    }
    return this.#ending;
  }
}
