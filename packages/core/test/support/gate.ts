/** Something that hooks wait for until the test opens it: once, or one of them at a time. */
export class Gate {
  #open = false;
  #waiting: (() => void)[] = [];

  /** How many wait now. */
  get waiting(): number {
    return this.#waiting.length;
  }

  passed(): Promise<void> {
    if (this.#open) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Lets pass the one that has waited longest. */
  letOneThrough(): void {
    this.#waiting.shift()?.();
  }

  /** Lets all pass, now and later. */
  open(): void {
    this.#open = true;
    for (const pass of this.#waiting.splice(0)) pass();
  }
}
