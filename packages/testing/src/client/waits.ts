import { startTimer, stopTimer } from './real-time.js';

/** What one look at the connection says about what a test waits for. */
export type Attempt<T> = { readonly value: T } | Shortfall | 'wait';

/** Why what a test waits for will not come. */
export interface Shortfall {
  /** Completes the sentence "expected ..., but ...". */
  readonly problem: string;
  /** The byte that was not as expected, of those that were not taken. */
  readonly mismatchAt?: number;
  /** Where it is all the same, behind what was not expected. */
  readonly laterAt?: number;
  readonly cause?: unknown;
}

/** The calls of a client that wait for something: each looks again whenever something has changed. */
export class Waits {
  readonly #waiting = new Set<() => void>();

  /** Has all that wait look again. */
  look(): void {
    for (const look of this.#waiting) look();
  }

  /**
   * Looks now and after each change until there is an answer or the time is over, for which `whenOver` is the answer.
   *
   * @param failed makes the error of a shortfall
   */
  until<T>(
    timeout: number,
    attempt: () => Attempt<T>,
    whenOver: Exclude<Attempt<T>, 'wait'>,
    failed: (shortfall: Shortfall) => Error,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = (outcome: Attempt<T>) => {
        if (outcome === 'wait') return;
        stopTimer(timer);
        this.#waiting.delete(look);
        if ('value' in outcome) resolve(outcome.value);
        else reject(failed(outcome));
      };
      const look = () => settle(attempt());
      const timer = startTimer(() => settle(whenOver), timeout);
      this.#waiting.add(look);
      look();
    });
  }
}
