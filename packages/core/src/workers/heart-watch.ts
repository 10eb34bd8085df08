import type { WorkerProcess } from './worker-process.js';

/** Notices workers that give no sign of life any more, since their event loop is blocked. */
export class HeartWatch {
  readonly #limit: number;
  readonly #beat: number;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param limit how long a worker may be silent, in milliseconds
   * @param beat between two signs of life, in milliseconds
   */
  constructor(limit: number, beat: number) {
    this.#limit = limit;
    this.#beat = beat;
  }

  /** Looks at workers from now on, and calls back for each that is silent, with the milliseconds for which it has been. */
  start(workers: () => readonly WorkerProcess[], silent: (worker: WorkerProcess, time: number) => void): void {
    if (this.#limit === Number.POSITIVE_INFINITY) return;
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      const wasHeldUp = now - last > 2 * this.#beat;
      last = now;
      for (const worker of workers()) {
        // Who has slept itself has not read yet what others have said meanwhile.
        if (wasHeldUp) worker.lastHeard = now;
        const time = worker.silence(now);
        if (time > this.#limit) silent(worker, time);
      }
    }, this.#beat).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
