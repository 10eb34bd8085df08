// What happens, step by step, for whoever wants to know: channels of node:diagnostics_channel. They cost next to nothing while nobody
// subscribes.

import { type Channel, channel, tracingChannel } from 'node:diagnostics_channel';
import type { CloseReason, Connection } from '../connection/connection.js';
import type { Listener, ListenerStatus } from '../listener/listener.js';
import type { Endpoint } from '../transport/endpoint.js';
import type { HandshakeFailure, RejectReason, WorkerStatus } from './statistics.js';

type AnyConnection = Connection<unknown, unknown>;

/** A listener has changed its status. */
export interface ListenerEvent {
  readonly listener: Listener;
  /** As `listener.status` says at this moment. */
  readonly status: ListenerStatus;
}

/** A client was turned away before its `@OnConnection`. */
export interface RejectedEvent {
  readonly listener: Listener;
  readonly reason: RejectReason;
  /** Where it came from, as far as that is known without asking the system: behind a balancer, what the PROXY header tells. */
  readonly remote: Endpoint | undefined;
}

/** A TLS handshake has come to an end, one of `startTls()` included. */
export interface HandshakeEvent {
  readonly listener: Listener;
  readonly remote: Endpoint;
  /** How long it took, in milliseconds. */
  readonly duration: number;
  /** Whether a session was resumed; `false` where it has failed. */
  readonly resumed: boolean;
  /** Why it has failed; `undefined` if it has not. */
  readonly failure: HandshakeFailure | undefined;
}

/** A connection's `@OnConnection` is about to be called. */
export interface OpenEvent {
  readonly listener: Listener;
  readonly connection: AnyConnection;
}

/** A connection's socket has closed. */
export interface CloseEvent {
  readonly listener: Listener;
  readonly connection: AnyConnection;
  readonly reason: CloseReason;
}

/** Something went wrong with a connection: what `@OnError` gets, or would get. */
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

/** A hook of a connection is being called: the context of the tracing channel, one object from `start` to `asyncEnd`. */
export interface HookEvent {
  readonly listener: Listener;
  /** `undefined` for `@OnAccept`, which comes before there is one. */
  readonly connection: AnyConnection | undefined;
  readonly hook: 'accept' | 'connection' | 'data' | 'error' | 'timeout' | 'shutdown' | 'close';
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

/** Traces the calls of hooks: `tracing:reagent:hook:start`, `:end`, `:asyncStart`, `:asyncEnd` and `:error`. */
export const hookTracing = tracingChannel<unknown, HookEvent>('reagent:hook');

/** Subscribed to by everyone who traces hooks: asked before each call. */
export const hookStarts = hookTracing.start;

/**
 * Calls a function as a hook that is traced. What it does and awaits runs in the stores that subscribers have bound to the `start` channel
 * (`channel.bindStore`), which is how the spans of OpenTelemetry find their parent.
 */
export function traceHook<T>(event: HookEvent, call: () => T): T {
  let result: T;
  try {
    result = hookTracing.start.runStores(event, call);
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
  hookTracing.end.publish(event);
  const settled = (field: 'result' | 'error', value: unknown): void => {
    event[field] = value;
    if (field === 'error') hookTracing.error.publish(event);
    hookTracing.asyncStart.publish(event);
    hookTracing.asyncEnd.publish(event);
  };
  (result as PromiseLike<unknown>).then(
    (value) => settled('result', value),
    (error: unknown) => settled('error', error),
  );
  return result;
}
