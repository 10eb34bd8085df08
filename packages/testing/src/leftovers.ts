// What a test may have left behind: it fails for it when its application stops.

import type { Listener } from '@reagent/core';
import type { LogEntry } from './captured-logger.js';
import type { LeftTimer } from './timer-watch.js';

/**
 * What may be left over when a test application stops:
 *
 * - `errors`: hooks or providers have thrown, and the test has not asked for it with `app.expectError()`.
 * - `connections`: a connection did not end although its client was gone and `@OnShutdown` had been called, or one of its hooks did not.
 * - `timers`: timers of the application still run, which would keep its process alive.
 */
export type Leftover = 'errors' | 'connections' | 'timers';

/** A test has left something behind. The message says what, and where it came from. */
export class LeftoverError extends Error {
  override readonly name = 'LeftoverError';
  /** One for each thing that was left. */
  readonly leftovers: readonly { readonly kind: Leftover; readonly description: string }[];

  constructor(leftovers: LeftoverError['leftovers']) {
    const lines = leftovers.map(({ description }) => indent(description));
    const kinds = [...new Set(leftovers.map(({ kind }) => `'${kind}'`))].join(', ');
    super(
      `the test application has stopped, and left over:\n${lines.join('\n')}\nIf that is intended: createTestApp(…, { allow: [${kinds}] })`,
    );
    this.leftovers = leftovers;
  }
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line, index) => `  ${index === 0 ? '- ' : '  '}${line}`)
    .join('\n');
}

/** How much of a stack is shown. */
const STACK_LINES = 6;

/** The error that an entry of the log is about, if it is one that the framework has logged for a hook or a provider. */
export function errorOf({ level, fields }: LogEntry): Error | undefined {
  if (level !== 'error' && level !== 'fatal') return undefined;
  // A user's own lines name no listener.
  return fields.listener !== undefined && fields.err instanceof Error ? fields.err : undefined;
}

export function describeError({ message, fields }: LogEntry, error: Error): string {
  const stack = (error.stack ?? error.message).split('\n').slice(0, STACK_LINES).join('\n');
  return `an error in ${fields.listener}: ${message}\n${stack}`;
}

/** Connections that are about to be reset, since they did not end. */
export function describeConnections(listener: Listener, clients: ReadonlyMap<number, string>): string[] {
  return [...listener.connections].map(({ id, remote, bytesRead, bytesWritten }) => {
    const where = `${remote.address}${remote.port === 0 ? '' : `:${remote.port}`}`;
    const client = clients.get(remote.port);
    return [
      `connection ${id} of ${listener.name}, from ${where === '' ? 'a Unix socket' : where}, which had received ${bytesRead} bytes and sent ${bytesWritten}: it did not end by itself`,
      ...(client === undefined ? [] : [`its client was connected ${client}`]),
    ].join('\n');
  });
}

export function describeTimer({ kind, stack }: LeftTimer): string {
  return `a timer (${kind}) that still runs, started\n${stack}`;
}
