// What a test may have left behind: it fails for it when its application stops.

import { inspect } from 'node:util';
import type { Connection, HookEvent } from '@reagent/core';
import type { Crash, HookOf } from './application-watch.js';
import type { LogEntry } from './captured-logger.js';
import type { RunningTimer } from './running-timers.js';
import { shownStack } from './shown-stack.js';

/**
 * What may be left over when a test application stops:
 *
 * - `errors`: hooks or providers have thrown, and the test has not asked for it with `app.expectError()`.
 * - `crashes`: what a hook or a provider has started was rejected or has thrown, and nobody has handled it, which ends a process.
 * - `connections`: a connection did not end although its client was gone and `@OnShutdown` had been called, or one of its hooks did not.
 * - `timers`: timers of the application still run, which would keep its process alive.
 */
export type Leftover = 'errors' | 'crashes' | 'connections' | 'timers';

/** A test has left something behind. The message says what, and where it came from. */
export class LeftoverError extends Error {
  override readonly name = 'LeftoverError';
  /** One for each thing that was left. */
  readonly leftovers: readonly { readonly kind: Leftover; readonly description: string }[];

  constructor(leftovers: LeftoverError['leftovers']) {
    const lines = leftovers.map(({ description }) => indent(description));
    const kinds = [...new Set(leftovers.map(({ kind }) => kind))];
    const names = kinds.map((kind) => `'${kind}'`).join(', ');
    const cure = `createTestApp(…, { allow: [${names}] })`;
    const wanted = kinds.includes('errors') ? `await app.expectError(…) for an error, or ${cure}` : cure;
    super(`the test application has stopped, and left over:\n${lines.join('\n')}\nIf that is intended: ${wanted}`);
    this.leftovers = leftovers;
  }
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line, index) => `  ${index === 0 ? '- ' : '  '}${line}`)
    .join('\n');
}

/** The error that an entry of the log is about, if it is one that the framework has logged for a hook or a provider. */
export function errorOf({ level, fields }: LogEntry): Error | undefined {
  if (level !== 'error' && level !== 'fatal') return undefined;
  // A user's own lines name no listener.
  return fields.listener !== undefined && fields.err instanceof Error ? fields.err : undefined;
}

export function describeError({ message, fields }: LogEntry, error: Error): string {
  return `an error in ${fields.listener}: ${message}\n${shownStack(error)}`;
}

export function describeCrash({ kind, reason, hook }: Crash): string {
  const what = kind === 'rejection' ? 'a rejection that nobody handles' : 'an exception that nobody catches';
  const where = hook === undefined ? 'what a provider has started' : `what ${nameOf(hook)} has started`;
  return `${what}, which ends a process, in ${where}: await it, return it, or catch it\n${reason instanceof Error ? shownStack(reason) : inspect(reason)}`;
}

/**
 * A connection that is about to be reset, since it did not end.
 *
 * @param hooks those of its hooks that have not ended
 * @param client where in the test its client was connected
 */
export function describeConnection(
  connection: Connection<unknown, unknown>,
  hooks: readonly HookEvent[],
  client: string | undefined,
): string {
  const { bytesRead, bytesWritten } = connection;
  const doing =
    hooks.length === 0
      ? 'no hook of it runs, and nobody has closed it'
      : hooks.map(({ hook }) => `its ${DECORATORS[hook]} has not ended`).join(', ');
  const name = nameOfConnection(connection, client);
  return `${name}: it did not end by itself; ${doing}\nit had received ${bytesRead} bytes and sent ${bytesWritten}`;
}

/** @param client where in the test its client was connected */
export function nameOfConnection(
  { id, listener, remote }: Connection<unknown, unknown>,
  client: string | undefined,
): string {
  const { address, port } = remote;
  // Where there is no address, it is a Unix socket, or one that has closed.
  const from = address === '' ? '' : `, from ${address}:${port}`;
  return `connection ${id} of ${listener.name}${from}${client === undefined ? '' : `, connected ${client}`}`;
}

/** A hook that goes on after its connection was closed. */
export function describeHook(event: HookEvent): string {
  const { connection } = event;
  return `${nameOf(event)} still runs, although connection ${connection?.id} is closed; conn.signal is aborted then, and every recv() ends`;
}

export function describeTimer({ kind, stack }: RunningTimer): string {
  return `a timer (${kind}) that still runs, started\n${stack}`;
}

const DECORATORS: Readonly<Record<HookEvent['hook'], string>> = {
  accept: '@OnAccept',
  connection: '@OnConnection',
  data: '@OnData',
  error: '@OnError',
  timeout: '@OnTimeout',
  shutdown: '@OnShutdown',
  close: '@OnClose',
};

function nameOf({ hook, listener }: HookOf): string {
  return `${DECORATORS[hook]} of ${listener.name}`;
}
