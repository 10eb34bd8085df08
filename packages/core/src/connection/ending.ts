import type { CloseReason } from './connection.js';

/** How the end of a connection is told to those who ask for it; what nobody asks for is not made. */
export class Ending {
  #reason: CloseReason | undefined;
  #abort: AbortController | undefined;
  #promise: Promise<CloseReason> | undefined;
  #resolve: ((reason: CloseReason) => void) | undefined;

  /** The connection has ended. */
  tell(reason: CloseReason): void {
    this.#reason = reason;
    this.#abort?.abort(reason);
    this.#resolve?.(reason);
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#reason !== undefined) this.#abort.abort(this.#reason);
    }
    return this.#abort.signal;
  }

  get closed(): Promise<CloseReason> {
    this.#promise ??=
      this.#reason === undefined
        ? new Promise((resolve) => {
            this.#resolve = resolve;
          })
        : Promise.resolve(this.#reason);
    return this.#promise;
  }
}
