/** The wait before a worker is replaced that has died for the first time, in milliseconds. It doubles with each further time. */
const FIRST_DELAY = 100;

/** The longest wait, in milliseconds. */
const LONGEST_DELAY = 10_000;

/** After so many milliseconds of service a worker is healthy: if it dies then, it has died for the first time. */
export const HEALTHY = 10_000;

/** How long to wait before a worker is replaced whose place has seen so many deaths in a row, the last one included. */
export function backoff(deaths: number): number {
  return Math.min(FIRST_DELAY * 2 ** (deaths - 1), LONGEST_DELAY);
}

/** Tells when workers die so often that replacing them helps nobody. */
export class DeathWatch {
  readonly #most: number;
  readonly #within: number;
  #deaths: number[] = [];

  /**
   * @param most deaths that are put up with
   * @param within the milliseconds in which they are counted
   */
  constructor(most: number, within: number) {
    this.#most = most;
    this.#within = within;
  }

  /** Counts a death, and says whether it was one too many. */
  count(now: number): boolean {
    this.#deaths = this.#deaths.filter((time) => now - time < this.#within);
    this.#deaths.push(now);
    return this.#deaths.length > this.#most;
  }
}
