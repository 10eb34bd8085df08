// What the matchers on clients come to. They know of vitest only what a matcher is given and returns.

import { excerpt, quoted } from '../client/excerpt.js';
import { pattern } from '../client/expectation.js';
import { type ClosedHow, TestClient } from '../client/test-client.js';
import type { TimeLimit } from '../client/test-client-options.js';

/** What a matcher looks at: any client, whatever its codec. */
export type MatchedClient = Pick<TestClient, 'received' | 'receive' | 'closed' | 'transcript'>;

/** Who has closed a connection: `'reset'` is the server with a RST, `'tlsError'` a failure of TLS. */
export type ClosedBy = 'server' | 'client' | 'reset' | 'tlsError';

/** What a matcher returns. */
export interface MatcherResult {
  readonly pass: boolean;
  readonly message: () => string;
}

/** What a matcher has as its `this`. */
interface MatcherContext {
  readonly isNot: boolean;
}

const CLOSED_HOW: Readonly<Record<ClosedBy, ClosedHow>> = {
  server: 'end',
  client: 'client',
  reset: 'reset',
  tlsError: 'tlsError',
};

const CLOSED_BY_WORDS: Readonly<Record<ClosedBy, string>> = {
  server: 'the server',
  client: 'the client',
  reset: 'a reset of the server',
  tlsError: 'a failure of TLS',
};

const CLOSED_WORDS: Readonly<Record<ClosedHow, string>> = {
  end: 'the server ended it',
  client: 'the client closed it',
  reset: 'the server reset it',
  tlsError: 'TLS failed',
};

const SHOWN_TRANSCRIPT_LINES = 8;

export async function toHaveReceived(
  this: MatcherContext,
  client: MatchedClient,
  expected: string | Uint8Array | RegExp,
  options?: TimeLimit,
): Promise<MatcherResult> {
  requireClient('toHaveReceived', client);
  const words = expected instanceof RegExp ? `text that matches ${expected}` : quoted(Buffer.from(expected as string));
  if (this.isNot) {
    const { received } = client;
    const at = positionOf(expected, received);
    return {
      pass: at !== -1,
      message: () => `expected the client not to have received ${words}, but it did${shown(received, at)}`,
    };
  }
  return outcomeOf(client.receive(expected as string, options));
}

export function toHaveReceivedNothing(client: MatchedClient): MatcherResult {
  requireClient('toHaveReceivedNothing', client);
  const { received } = client;
  return {
    pass: received.length === 0,
    message: () =>
      received.length === 0
        ? `expected the client to have received something, but it did not${transcriptOf(client)}`
        : `expected the client to have received nothing, but it did${shown(received, 0)}`,
  };
}

export async function toBeClosedBy(
  this: MatcherContext,
  client: MatchedClient,
  expected: ClosedBy,
  options?: TimeLimit,
): Promise<MatcherResult> {
  requireClient('toBeClosedBy', client);
  if (!Object.hasOwn(CLOSED_HOW, expected)) {
    throw new TypeError(`toBeClosedBy() takes ${Object.keys(CLOSED_HOW).join(', ')}, not ${String(expected)}`);
  }
  const how = this.isNot ? await closedNow(client) : await client.closed(options).catch((error: unknown) => error);
  if (how instanceof Error) return { pass: false, message: () => how.message };
  const not = this.isNot ? 'not ' : '';
  const found = CLOSED_WORDS[how as ClosedHow];
  return {
    pass: how === CLOSED_HOW[expected],
    message: () =>
      `expected the connection ${not}to be closed by ${CLOSED_BY_WORDS[expected]}, but ${found}${transcriptOf(client)}`,
  };
}

export async function toBeOpen(client: MatchedClient): Promise<MatcherResult> {
  requireClient('toBeOpen', client);
  const how = await closedNow(client);
  const state = how === undefined ? 'it is open' : CLOSED_WORDS[how];
  return {
    pass: how === undefined,
    message: () =>
      `expected the connection ${how === undefined ? 'not ' : ''}to be open, but ${state}${transcriptOf(client)}`,
  };
}

/** How it was closed; `undefined` as long as it is not. */
function closedNow(client: MatchedClient): Promise<ClosedHow | undefined> {
  return client.closed({ timeout: 0 }).catch(() => undefined);
}

/** A wait of the client, whose own error is the message. */
function outcomeOf(waiting: Promise<unknown>): Promise<MatcherResult> {
  return waiting.then(
    () => ({ pass: true, message: () => '' }),
    (error: Error) => ({ pass: false, message: () => error.message }),
  );
}

function positionOf(expected: string | Uint8Array | RegExp, received: Buffer): number {
  if (!(expected instanceof RegExp)) return received.indexOf(expected);
  const found = pattern(expected).match(received);
  if (found === 'more' || 'mismatchAt' in found) return -1;
  return found.length - Buffer.byteLength(found.value[0]);
}

function shown(received: Buffer, at: number): string {
  return excerpt(received, Math.max(0, at))
    .map((line) => `\n  ${line}`)
    .join('');
}

function transcriptOf({ transcript }: MatchedClient): string {
  const lines = transcript.tail(SHOWN_TRANSCRIPT_LINES);
  return lines.length === 0 ? '' : `\n  transcript:${lines.map((line) => `\n    ${line}`).join('')}`;
}

function requireClient(matcher: string, client: unknown): void {
  if (client instanceof TestClient) return;
  throw new TypeError(`${matcher}() is for a TestClient, such as app.connect() gives`);
}
