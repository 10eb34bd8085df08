import { inspect } from 'node:util';

const LIMIT_MS = 4_000;

/** Where hooks put what happened to them, and tests wait for it: first in, first out. */
export class Mailbox<T> {
  /** All that was ever put. */
  readonly all: T[] = [];
  #taken = 0;
  #waiting: ((item: T) => void)[] = [];

  put(item: T): void {
    this.all.push(item);
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    this.#taken += 1;
    waiting(item);
  }

  /** Fails after a while, with what was put before. */
  take(): Promise<T> {
    if (this.#taken < this.all.length) {
      const item = this.all[this.#taken] as T;
      this.#taken += 1;
      return Promise.resolve(item);
    }
    const late = new Error(`nothing more was put into the mailbox; so far: ${inspect(this.all)}`);
    return new Promise((resolve, reject) => {
      const waiting = (item: T) => {
        clearTimeout(timer);
        resolve(item);
      };
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(late);
      }, LIMIT_MS);
      this.#waiting.push(waiting);
    });
  }

  async takeMany(count: number): Promise<T[]> {
    const items: T[] = [];
    while (items.length < count) items.push(await this.take());
    return items;
  }

  /** What was put and not taken. */
  get rest(): T[] {
    return this.all.slice(this.#taken);
  }
}
