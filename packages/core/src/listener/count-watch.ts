import { TimeoutError } from '../errors.js';
import { startTimer } from '../timer.js';

/** Those who wait for a number of connections to become what they want. */
export class CountWatch {
  #watchers: ((count: number) => void)[] = [];

  /** The number has changed. */
  tell(count: number): void {
    if (this.#watchers.length === 0) return;
    for (const watcher of this.#watchers.slice()) watcher(count);
  }

  /** Resolves when `predicate` is true, of `count` or of a later number. Rejects with what it throws, or a TimeoutError. */
  async wait(count: number, predicate: (count: number) => boolean, timeout: number): Promise<void> {
    if (predicate(count)) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        clearTimeout(timer);
        this.#watchers = this.#watchers.filter((other) => other !== watcher);
        outcome();
      };
      const watcher = (changed: number): void => {
        try {
          if (predicate(changed)) settle(resolve);
        } catch (error) {
          settle(() => reject(error));
        }
      };
      const timer = startTimer(timeout, () => settle(() => reject(new TimeoutError('connections', timeout))));
      this.#watchers.push(watcher);
    });
  }
}
