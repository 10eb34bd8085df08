import type { Connection } from '@reagent/core';

/** Milliseconds that a client has for its first request. */
const FIRST_REQUEST_TIMEOUT = 10_000;

/**
 * One client's stay: it is seen to the door when it does not ask for anything, which a server of `node:http` does only for connections that
 * it has accepted itself, and between two answers when the endpoint stops.
 */
export class Visit {
  /** Milliseconds from an answer to the end of the next request: longer than scrapers wait between two scrapes. */
  static readonly nextRequestTimeout = 75_000;

  readonly #connection: Connection;
  #timer: NodeJS.Timeout | undefined;
  /** Requests that have not been answered; a client may send several at once. */
  #pending = 0;
  #isLast = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#wait(FIRST_REQUEST_TIMEOUT);
  }

  /** Whether the connection closes when what is pending has been answered. */
  get isLast(): boolean {
    return this.#isLast;
  }

  /** A whole request has come. */
  requested(): void {
    this.#pending++;
    clearTimeout(this.#timer);
  }

  /** The answer to a request is on its way. */
  answered(): void {
    this.#pending--;
    if (this.#pending > 0) return;
    if (this.#isLast) this.#connection.close();
    else this.#wait(Visit.nextRequestTimeout);
  }

  /** Closes the connection as soon as nothing is pending. */
  finish(): void {
    this.#isLast = true;
    if (this.#pending === 0) this.#connection.close();
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  #wait(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connection.close(), milliseconds).unref();
  }
}
