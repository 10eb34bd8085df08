import { TimeoutError } from '../errors.js';
import { startTimer } from '../timer.js';
import { nextMessage, type ReadRequest } from './read-request.js';

/**
 * The `recv` of a connection that waits for bytes. There is one at a time, so one object serves them all, and a `recv` costs its
 * promise and little more.
 */
export class PendingRead {
  readonly #expired: () => void;
  #waiting = false;
  #request: ReadRequest = nextMessage;
  /** Whether it wants an iterator's result rather than the bare value. */
  #iterates = false;
  #timeout: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasExpired = false;
  #resolve: (value: unknown) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  readonly #executor = (resolve: (value: unknown) => void, reject: (error: Error) => void): void => {
    this.#resolve = resolve;
    this.#reject = reject;
  };

  /** @param expired called when the time of the one that waits is over: `isExpired` says so until it is settled */
  constructor(expired: () => void) {
    this.#expired = expired;
  }

  get waiting(): boolean {
    return this.#waiting;
  }

  get request(): ReadRequest {
    return this.#request;
  }

  get isExpired(): boolean {
    return this.#hasExpired;
  }

  /** Hot path of pull style. */
  wait(request: ReadRequest, iterates: boolean, timeout: number | undefined): Promise<unknown> {
    this.#waiting = true;
    this.#hasExpired = false;
    this.#request = request;
    this.#iterates = iterates;
    this.#timeout = timeout;
    if (timeout !== undefined) {
      this.#timer = startTimer(timeout, () => {
        this.#timer = undefined;
        this.#hasExpired = true;
        this.#expired();
      });
    }
    return new Promise(this.#executor);
  }

  /** Gives the one that waits what it wants; `null` is the end of the stream. */
  settle(value: unknown): void {
    this.#end();
    this.#resolve(this.#iterates ? iteratorResult(value) : value);
  }

  reject(error: Error): void {
    this.#end();
    this.#reject(error);
  }

  /** Its time is over, and nothing has come. */
  rejectExpired(): void {
    this.reject(new TimeoutError('recv', this.#timeout ?? 0));
  }

  #end(): void {
    this.#waiting = false;
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** What an iterator gives for a value, or for the end of the stream. */
export function iteratorResult(value: unknown): IteratorResult<unknown> {
  return value === null ? { value: undefined, done: true } : { value, done: false };
}
