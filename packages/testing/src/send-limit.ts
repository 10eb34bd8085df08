// What a client that does not read may cost.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Connection, Listener, OpenEvent } from '@reagent/core';
import { BackpressureError } from './backpressure-error.js';
import { nextTurn, now, startTimer } from './client/real-time.js';
import { shownFrames } from './shown-stack.js';

/** Bytes that may wait for one client where the test does not say: far more than anybody would send on purpose. */
export const DEFAULT_SEND_LIMIT = 67_108_864;

export interface BackpressureOptions {
  /** Bytes that may wait to be sent to one client. Default: 1 MiB. */
  readonly limit?: number;
  /** How long nothing more may have been sent, in ms, until the application counts as waiting. Default: 50. */
  readonly quiet?: number;
  /** The time limit, in ms. Default: that of the clients. */
  readonly timeout?: number;
}

const DEFAULT_LIMIT = 1_048_576;
const DEFAULT_QUIET_MS = 50;

/** How often it is looked whether anything was sent, in ms. */
const LOOK_EVERY_MS = 5;

const EXPECTED = 'expected the application to wait for a client that does not read';

type AnyConnection = Connection<unknown, unknown>;

const OPEN = 'reagent:connection:open';

/** Says who a connection is, for an error. */
export type Describe = (connection: AnyConnection) => string;

/** What is known of how a connection is sent to. */
interface Sending {
  /** Where the first `send()` was that returned `false` since there was room; `undefined` while there is. */
  full: Error | undefined;
  /** Calls of `sendFile()` that have not ended. A file that waits is not in memory. */
  files: number;
}

/** Watches what waits to be sent to the clients of an application. */
export class SendLimit {
  readonly #isOurs: (listener: Listener) => boolean;
  readonly #limit: number;
  readonly #describe: Describe;
  readonly #sending = new WeakMap<AnyConnection, Sending>();
  /** Clients that were too slow and have been reset. */
  #dropped = 0;

  /** @param limit bytes that may wait for one client: a `send()` above that throws */
  constructor(isOurs: (listener: Listener) => boolean, limit: number, describe: Describe) {
    this.#isOurs = isOurs;
    this.#limit = limit;
    this.#describe = describe;
    subscribe(OPEN, this.#opened);
  }

  stop(): void {
    unsubscribe(OPEN, this.#opened);
  }

  /**
   * Waits until something has waited to be sent for a while and nothing was added, or the connection where it waited has closed.
   *
   * @returns what is wrong, when that does not come, or too much waits
   */
  async reached(
    connections: () => readonly AnyConnection[],
    { limit = DEFAULT_LIMIT, quiet = DEFAULT_QUIET_MS, timeout }: BackpressureOptions & { readonly timeout: number },
  ): Promise<BackpressureError | undefined> {
    const deadline = now() + timeout;
    let before = '';
    let since = now();
    let held = new Set<AnyConnection>();
    for (;;) {
      const all = connections();
      for (const connection of all) {
        const problem = this.#tooMuchFor(connection, limit);
        if (problem !== undefined) return problem;
      }
      if (this.#dropped > 0 || [...held].some((connection) => !all.includes(connection))) {
        this.#dropped = 0;
        return undefined;
      }
      held = new Set(all.filter(({ bytesWaiting }) => bytesWaiting > 0));
      const present = [...held]
        .map(({ id, bytesWaiting, bytesWritten }) => `${id} ${bytesWaiting} ${bytesWritten}`)
        .join();
      if (present !== before) since = now();
      before = present;
      if (held.size > 0 && now() - since >= quiet) return undefined;
      if (now() > deadline) return new BackpressureError(this.#notReached(held, timeout));
      await new Promise((resolve) => startTimer(resolve, LOOK_EVERY_MS));
      // Where the event loop was busy, a timer alone would say little.
      await nextTurn();
    }
  }

  #tooMuchFor(connection: AnyConnection, limit: number): BackpressureError | undefined {
    const sending = this.#sending.get(connection);
    if (connection.bytesWaiting <= limit || (sending?.files ?? 0) > 0) return undefined;
    const { full } = sending ?? {};
    const where = full === undefined ? '' : `\n  send() returned false, and more was sent\n${shownFrames(full)}`;
    return new BackpressureError(`${EXPECTED}, but ${this.#tooMuch(connection, limit)}${where}`);
  }

  #notReached(held: ReadonlySet<AnyConnection>, timeout: number): string {
    const seen =
      held.size === 0
        ? 'nothing waits to be sent: pause a client, and have it sent more than the system keeps for it'
        : ['what waits has not come to rest', ...[...held].map((connection) => this.#whatWaits(connection))].join('\n');
    return `${EXPECTED}, but within ${timeout} ms ${seen}`;
  }

  #tooMuch(connection: AnyConnection, limit: number): string {
    return [
      `more than ${limit} bytes wait to be sent: where send() returns false, await conn.drained(), or reset a client that is too slow`,
      this.#whatWaits(connection),
    ].join('\n');
  }

  #whatWaits(connection: AnyConnection): string {
    return `  ${connection.bytesWaiting} bytes wait for ${this.#describe(connection)}`;
  }

  readonly #opened = (message: unknown): void => {
    const { listener, connection } = message as OpenEvent;
    if (this.#isOurs(listener)) this.#follow(connection);
  };

  /** Has a connection look, before it sends, at what waits already. */
  #follow(connection: AnyConnection): void {
    const sending: Sending = { full: undefined, files: 0 };
    this.#sending.set(connection, sending);
    const { send, sendFile, reset } = connection;
    connection.send = (outgoing) => {
      if (connection.bytesWaiting > this.#limit && sending.files === 0) {
        throw new BackpressureError(this.#tooMuch(connection, this.#limit));
      }
      const hasRoom = send.call(connection, outgoing);
      if (hasRoom) sending.full = undefined;
      else sending.full ??= new Error();
      return hasRoom;
    };
    connection.sendFile = (path, options) => {
      sending.files += 1;
      const sent = sendFile.call(connection, path, options);
      const ended = (): void => {
        sending.files -= 1;
      };
      sent.then(ended, ended);
      return sent;
    };
    connection.reset = () => {
      if (sending.full !== undefined && connection.bytesWaiting > 0) this.#dropped += 1;
      reset.call(connection);
    };
  }
}
