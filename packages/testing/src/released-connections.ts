// What is left of connections that have closed.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { CloseEvent, Connection, Listener } from '@reagent/core';
import { nextTurn, now } from './client/real-time.js';

type AnyConnection = Connection<unknown, unknown>;

const CLOSE = 'reagent:connection:close';

interface Closed {
  readonly connection: WeakRef<AnyConnection>;
  /** Who it was, for an error. */
  readonly name: string;
}

/** Knows whether anything still holds the connections of an application that have closed. */
export class ReleasedConnections {
  readonly #isOurs: (listener: Listener) => boolean;
  readonly #nameOf: (connection: AnyConnection) => string;
  #closed: Closed[] = [];

  constructor(isOurs: (listener: Listener) => boolean, nameOf: (connection: AnyConnection) => string) {
    this.#isOurs = isOurs;
    this.#nameOf = nameOf;
    subscribe(CLOSE, this.#noteClosed);
  }

  stop(): void {
    unsubscribe(CLOSE, this.#noteClosed);
  }

  /**
   * Waits until those that have closed are gone from memory.
   *
   * @returns the names of those that are still there when the time is over
   */
  async held(timeout: number): Promise<string[]> {
    const deadline = now() + timeout;
    const collect = garbageCollector();
    for (;;) {
      // What was looked at in this turn is kept to its end.
      await nextTurn();
      collect();
      this.#closed = this.#closed.filter(({ connection }) => connection.deref() !== undefined);
      if (this.#closed.length === 0 || now() > deadline) return this.#closed.map(({ name }) => name);
    }
  }

  readonly #noteClosed = (message: unknown): void => {
    const { listener, connection } = message as CloseEvent;
    if (this.#isOurs(listener))
      this.#closed.push({ connection: new WeakRef(connection), name: this.#nameOf(connection) });
  };
}

/** Node.js gives it to whoever asks for it on the command line, or with this, later on. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
