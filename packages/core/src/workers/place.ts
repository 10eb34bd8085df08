import { backoff, HEALTHY } from './restart-policy.js';
import type { WorkerProcess } from './worker-process.js';

/** One of the numbers that workers have, and the processes that have it. */
export class Place {
  readonly id: number;
  /** The process that serves, or is about to; `undefined` until another one takes the place of one that has ended. */
  current: WorkerProcess | undefined;
  /** The process that is about to take the place of a healthy one. */
  next: WorkerProcess | undefined;
  /** Processes that are on their way out. */
  readonly leaving = new Set<WorkerProcess>();
  restarts = 0;
  #deaths = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(id: number) {
    this.id = id;
  }

  /** All processes that have its number. */
  get processes(): readonly WorkerProcess[] {
    return [...this.leaving, this.current, this.next].filter((worker) => worker !== undefined);
  }

  /** Whether somebody will come: a process is starting, or a time is set for it. */
  get isAwaited(): boolean {
    return this.next !== undefined || this.#timer !== undefined;
  }

  /** The process that serves leaves. */
  vacate(): void {
    if (this.current === undefined) return;
    if (!this.current.isOver) this.leaving.add(this.current);
    this.current = undefined;
  }

  /**
   * Calls back when it is time for another process.
   *
   * @param age how long the one before has served, in milliseconds
   * @returns the wait, in milliseconds
   */
  restartLater(age: number, restart: () => void): number {
    this.#deaths = age >= HEALTHY ? 1 : this.#deaths + 1;
    const delay = backoff(this.#deaths);
    this.cancelRestart();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.restarts++;
      restart();
    }, delay);
    return delay;
  }

  cancelRestart(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
