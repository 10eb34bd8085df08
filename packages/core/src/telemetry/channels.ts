// What happens, step by step, for whoever wants to know: channels of node:diagnostics_channel. While nobody subscribes to a channel, no
// object is made for it and no clock is read.
//
// Messages are published at once, where they happen. What a subscriber throws does not get into the connection: Node.js throws it again
// outside of it, as an uncaught exception.

import type { X509Certificate } from 'node:crypto';
import { type Channel, channel, tracingChannel } from 'node:diagnostics_channel';
import type { CloseReason, Connection } from '../connection/connection.js';
import type { ConfigurationError, TimeoutError, TlsError } from '../errors.js';
import type { Incoming } from '../listener/incoming.js';
import type { Listener, ListenerStatus } from '../listener/listener.js';
import type { Endpoint } from '../transport/endpoint.js';
import type { HandshakeFailure, RejectReason, WorkerStatus } from './statistics.js';

type AnyConnection = Connection<unknown, unknown>;

/** A listener has changed its status. */
export interface ListenerEvent {
  readonly listener: Listener;
  /** As `listener.status` says at this moment. */
  readonly status: ListenerStatus;
  readonly previous: ListenerStatus;
}

/** Certificates were read again: by `reload()`, by SIGHUP, or because they are watched and have changed. */
export interface CertificatesEvent {
  /** The name of the listener that they belong to, or `'the application'`. */
  readonly owner: string;
  /** What is shown from now on to clients that ask for no other name; `undefined` where there is only `sni`. */
  readonly certificate: X509Certificate | undefined;
  /** What is wrong with those that were read, if anything is: the old ones stay in use. */
  readonly error: ConfigurationError | undefined;
}

/** A client was turned away before its `@OnConnection`. */
export interface RejectedEvent {
  readonly listener: Listener;
  readonly reason: RejectReason;
  /**
   * Where it came from: behind a balancer, what the PROXY header tells, if it has come. Its address is empty where the client has left
   * already, and at Unix sockets.
   */
  readonly remote: Endpoint;
  /** What was wrong, where `reason` is `accept` (unless `reject()` was called), `proxyHeader` or `handshake`. */
  readonly error: Error | undefined;
  /** Milliseconds since it was taken from the kernel; `undefined` if nobody had subscribed to this channel, or `open`, by then. */
  readonly waited: number | undefined;
}

/** A TLS handshake has come to an end, one of `startTls()` included. */
export interface HandshakeEvent {
  readonly listener: Listener;
  /** Whose `startTls()` it was; `undefined` where the handshake comes before there is a connection. */
  readonly connection: AnyConnection | undefined;
  /** As that of `RejectedEvent`. */
  readonly remote: Endpoint;
  /** How long it took, in milliseconds. */
  readonly duration: number;
  /** Whether a session was resumed; `false` where it has failed. */
  readonly resumed: boolean;
  /** Such as `'TLSv1.3'`; this and the next three are `undefined` where it has failed. */
  readonly protocol: string | undefined;
  /** In OpenSSL's notation. */
  readonly cipher: string | undefined;
  /** The host name that the client has asked for; `undefined` if none. */
  readonly serverName: string | undefined;
  /** `undefined` if none was agreed upon. */
  readonly alpnProtocol: string | undefined;
  /** Why it has failed; `undefined` if it has not. */
  readonly failure: HandshakeFailure | undefined;
  /** The same in words. */
  readonly error: TlsError | TimeoutError | undefined;
}

/** A client is set up: its owner is about to be made, where it has one of its own, and `@OnConnection` to be called. */
export interface OpenEvent {
  readonly listener: Listener;
  readonly connection: AnyConnection;
  /**
   * Milliseconds since it was taken from the kernel: its wait for room and for an acceptor, and all steps of its set-up. `undefined` if
   * nobody had subscribed to this channel, or `rejected`, by then.
   */
  readonly waited: number | undefined;
}

/** A connection's socket has closed. Once for each that was open; hooks of it, `@OnClose` for one, may follow. */
export interface CloseEvent {
  readonly listener: Listener;
  readonly connection: AnyConnection;
  readonly reason: CloseReason;
}

/** Something went wrong with a connection: what `@OnError` gets, or would get. Why its owner could not be made, too. */
export interface ErrorEvent {
  readonly listener: Listener;
  readonly connection: AnyConnection;
  readonly error: Error;
}

/** The number of connections has reached the threshold of an alarm. */
export interface AlarmEvent {
  readonly listener: Listener;
  readonly threshold: number;
  readonly connections: number;
}

/** A hook is being called: the context of the tracing channel, one object from `start` to `end`, or `asyncEnd`. */
export interface HookEvent {
  readonly listener: Listener;
  /** `undefined` for `@OnAccept`, which comes before there is one. */
  readonly connection: AnyConnection | undefined;
  /** What `@OnAccept` gets; `undefined` for all others. */
  readonly incoming: Incoming | undefined;
  readonly hook: 'accept' | 'connection' | 'data' | 'error' | 'timeout' | 'shutdown' | 'close';
  /** What `@OnData`, `@OnError` or `@OnClose` gets besides the connection; `undefined` for all others. */
  readonly argument: unknown;
  /** What it has returned, or what its promise has come to. */
  result?: unknown;
  /** What it has thrown, or its promise was rejected with. */
  error?: unknown;
}

/** A worker process has changed its status; published in the supervisor. */
export interface WorkerEvent {
  /** The number of the worker, which its successor has too. */
  readonly id: number;
  /** `undefined` if it could not even be started. */
  readonly pid: number | undefined;
  readonly status: WorkerStatus;
  /** What it has ended with, where `status` is `died` or `stopped`; `null` if a signal has killed it. */
  readonly code: number | null | undefined;
  /** What has killed it, where `status` is `died` or `stopped`. */
  readonly signal: NodeJS.Signals | null | undefined;
}

/** What each channel carries, by its name. */
export interface ChannelMessages {
  readonly 'reagent:listener:status': ListenerEvent;
  readonly 'reagent:listener:alarm': AlarmEvent;
  readonly 'reagent:certificates:reload': CertificatesEvent;
  readonly 'reagent:connection:rejected': RejectedEvent;
  readonly 'reagent:connection:handshake': HandshakeEvent;
  readonly 'reagent:connection:open': OpenEvent;
  readonly 'reagent:connection:error': ErrorEvent;
  readonly 'reagent:connection:close': CloseEvent;
  readonly 'reagent:worker:status': WorkerEvent;
}

/** A channel of which is known what it carries. */
export interface TypedChannel<Message> {
  readonly name: string;
  /** To be asked before a message is made: that is what makes it free. */
  readonly hasSubscribers: boolean;
  publish(message: Message): void;
}

function typed<Name extends keyof ChannelMessages>(name: Name): TypedChannel<ChannelMessages[Name]> {
  return channel(name) satisfies Channel as TypedChannel<ChannelMessages[Name]>;
}

export const channels = {
  listenerStatus: typed('reagent:listener:status'),
  listenerAlarm: typed('reagent:listener:alarm'),
  certificates: typed('reagent:certificates:reload'),
  rejected: typed('reagent:connection:rejected'),
  handshake: typed('reagent:connection:handshake'),
  open: typed('reagent:connection:open'),
  error: typed('reagent:connection:error'),
  close: typed('reagent:connection:close'),
  workerStatus: typed('reagent:worker:status'),
} as const;

/** The names of all channels, for `node:diagnostics_channel`; the hooks have a tracing channel, `'reagent:hook'`. */
export const channelNames: readonly (keyof ChannelMessages)[] = Object.values(channels).map(
  ({ name }) => name as keyof ChannelMessages,
);

/**
 * Traces the calls of hooks: `tracing:reagent:hook:start`, `:end`, `:asyncStart`, `:asyncEnd` and `:error`. Its `hasSubscribers` is to be
 * asked before an event is made.
 */
export const hookTracing = tracingChannel<unknown, HookEvent>('reagent:hook');

type Hook<Arguments extends readonly unknown[]> = (...args: Arguments) => unknown;

/**
 * Calls a hook that is traced, as `tracePromise` does if it returns a promise, and otherwise as `traceSync` does.
 *
 * What it does and awaits runs in the stores that subscribers have bound to the `start` channel (`channel.bindStore`), which is how the
 * spans of OpenTelemetry find their parent.
 */
export function traceHook<Arguments extends readonly unknown[]>(
  event: HookEvent,
  hook: Hook<Arguments>,
  owner: unknown,
  ...args: Arguments
): unknown {
  return hookTracing.start.runStores(event, () => followHook(event, hook, owner, args));
}

function followHook<Arguments extends readonly unknown[]>(
  event: HookEvent,
  hook: Hook<Arguments>,
  owner: unknown,
  args: Arguments,
): unknown {
  let result: unknown;
  try {
    result = Reflect.apply(hook, owner, args);
  } catch (error) {
    event.error = error;
    hookTracing.error.publish(event);
    hookTracing.end.publish(event);
    throw error;
  }
  if (typeof (result as PromiseLike<unknown> | undefined)?.then !== 'function') {
    event.result = result;
    hookTracing.end.publish(event);
    return result;
  }
  // A query that runs when it is awaited would run twice, so whatever is no promise is awaited here alone.
  const promise = result instanceof Promise ? result : Promise.resolve(result);
  hookTracing.end.publish(event);
  promise.then(
    (value) => {
      event.result = value;
      tellSettled(event);
    },
    (error: unknown) => {
      event.error = error;
      hookTracing.error.publish(event);
      tellSettled(event);
    },
  );
  return promise;
}

function tellSettled(event: HookEvent): void {
  hookTracing.asyncStart.publish(event);
  hookTracing.asyncEnd.publish(event);
}
