import type { CloseKind } from '../connection/connection.js';
import { type TimeoutError, TlsError, type TlsFailure } from '../errors.js';
import type { ListenerStatus } from '../listener/listener.js';

/**
 * Why a connection was turned away before its `@OnConnection`.
 *
 * - `maxConnections`: no room, and no place in the waiting queue (`maxWaiting`).
 * - `maxConnectionsPerIp`, `acceptRate`: over that limit.
 * - `fileDescriptors`: the process is about to run out of file descriptors.
 * - `wait`: it waited longer than `timeouts.wait`.
 * - `untrusted`: it did not come from a network that `proxyProtocol.trust` names.
 * - `proxyHeader`: its PROXY header was missing, invalid, or not there within `timeouts.proxyHeader`.
 * - `accept`: `@OnAccept` rejected it, threw, or took longer than `timeouts.handshake`.
 * - `handshake`: the TLS handshake failed, or took longer than `timeouts.handshake`; `tls.failed` tells why.
 * - `client`: the client was gone before it could be served.
 * - `shutdown`: the listener stopped first.
 */
export type RejectReason =
  | 'maxConnections'
  | 'maxConnectionsPerIp'
  | 'acceptRate'
  | 'fileDescriptors'
  | 'wait'
  | 'untrusted'
  | 'proxyHeader'
  | 'accept'
  | 'handshake'
  | 'client'
  | 'shutdown';

/** Why a handshake failed; `timeout`: it took longer than `timeouts.handshake`. */
export type HandshakeFailure = TlsFailure | 'timeout';

/** What the error of a handshake counts as. */
export function failureOf(error: TlsError | TimeoutError): HandshakeFailure {
  return error instanceof TlsError ? error.failure : 'timeout';
}

/** TLS handshakes, those of `startTls()` included. */
export interface TlsStatistics {
  /** Handshakes that succeeded. */
  readonly handshakes: number;
  /** How many of them resumed an earlier session. */
  readonly resumed: number;
  readonly failed: Readonly<Record<HandshakeFailure, number>>;
}

/** A listener's figures at one moment; counts are since it started. */
export interface ListenerStatistics {
  readonly name: string;
  readonly status: ListenerStatus;
  readonly address: string;
  readonly port: number;
  readonly acceptors: {
    readonly size: number;
    /** Connections being set up now. */
    readonly busy: number;
    /** Admitted connections that wait for an acceptor. */
    readonly waiting: number;
  };
  readonly connections: {
    /** Admitted and not yet closed, those being set up included. */
    readonly active: number;
    /** In the queue for room under `maxConnections`. */
    readonly waiting: number;
    /** Taken from the kernel, whatever became of them. */
    readonly accepted: number;
    readonly rejected: Readonly<Record<RejectReason, number>>;
    readonly closed: Readonly<Record<CloseKind, number>>;
  };
  readonly bytes: { readonly in: number; readonly out: number };
  readonly messages: { readonly in: number; readonly out: number };
  readonly tls: TlsStatistics;
  /** Errors thrown by hooks. */
  readonly handlerErrors: number;
}

/**
 * What a worker process does.
 *
 * - `starting`: it has been started, and does not listen yet.
 * - `listening`: it serves.
 * - `draining`: it takes no new connections, and waits for those that are open.
 * - `stopped`: it has stopped as it should.
 * - `hung`: it has not answered for too long, and is being killed.
 * - `died`: it has ended unasked; another one takes its place.
 */
export type WorkerStatus = 'starting' | 'listening' | 'draining' | 'stopped' | 'hung' | 'died';

/**
 * Who spreads connections over workers.
 *
 * - `reusePort`: the kernel, evenly: each worker has a socket of its own on the same port.
 * - `shared`: all workers accept from one socket, whoever comes first.
 */
export type AcceptMode = 'reusePort' | 'shared';

/** A worker process, and what it has told last. */
export interface WorkerStatistics {
  readonly id: number;
  /** `undefined` between the end of a process and the start of the one that replaces it. */
  readonly pid: number | undefined;
  readonly status: WorkerStatus;
  /** How many processes have had this number before, those replaced by `reload()` not counted. */
  readonly restarts: number;
  readonly listeners: Readonly<Record<string, ListenerStatistics>>;
}

/** The workers of an application. */
export interface WorkersStatistics {
  /** How the listeners with a port work; those with a path or an inherited descriptor are always `shared`. */
  readonly accept: AcceptMode;
  /** By number. While one worker replaces another, there are two of the same. */
  readonly processes: readonly WorkerStatistics[];
}

/** The figures of all listeners of an application. */
export interface ApplicationStatistics {
  readonly listeners: Readonly<Record<string, ListenerStatistics>>;
  /** The listeners' figures added up. */
  readonly connections: { readonly active: number; readonly waiting: number; readonly accepted: number };
  /** In the supervisor of workers: all figures are those of the workers added up, as they have told them within the last second. */
  readonly workers?: WorkersStatistics;
}

/** How many connections listeners have, and have had, together. */
export function sumConnections(listeners: readonly ListenerStatistics[]): ApplicationStatistics['connections'] {
  const sum = { active: 0, waiting: 0, accepted: 0 };
  for (const { connections } of listeners) {
    sum.active += connections.active;
    sum.waiting += connections.waiting;
    sum.accepted += connections.accepted;
  }
  return sum;
}

/** What a listener and its connections count up. Connections add their bytes when they close. */
export class Counters {
  accepted = 0;
  bytesIn = 0;
  bytesOut = 0;
  messagesIn = 0;
  messagesOut = 0;
  handlerErrors = 0;
  readonly rejected: Record<RejectReason, number> = {
    maxConnections: 0,
    maxConnectionsPerIp: 0,
    acceptRate: 0,
    fileDescriptors: 0,
    wait: 0,
    untrusted: 0,
    proxyHeader: 0,
    accept: 0,
    handshake: 0,
    client: 0,
    shutdown: 0,
  };
  readonly closed: Record<CloseKind, number> = { client: 0, server: 0, reset: 0, timeout: 0, error: 0, shutdown: 0 };
  readonly tls = {
    handshakes: 0,
    resumed: 0,
    failed: {
      timeout: 0,
      client: 0,
      version: 0,
      cipher: 0,
      serverName: 0,
      alpn: 0,
      certificate: 0,
      refused: 0,
      notTls: 0,
      plaintext: 0,
      other: 0,
    } satisfies Record<HandshakeFailure, number> as Record<HandshakeFailure, number>,
  };
}

/** The figures of a listener that nothing has come to yet: what a fake of one begins with. */
export function emptyStatistics(name: string): ListenerStatistics {
  const { rejected, closed, tls } = new Counters();
  return {
    name,
    status: 'starting',
    address: '',
    port: 0,
    acceptors: { size: 0, busy: 0, waiting: 0 },
    connections: { active: 0, waiting: 0, accepted: 0, rejected, closed },
    bytes: { in: 0, out: 0 },
    messages: { in: 0, out: 0 },
    tls,
    handlerErrors: 0,
  };
}
