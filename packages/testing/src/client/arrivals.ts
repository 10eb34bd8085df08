const INITIAL_CAPACITY_BYTES = 1024;

/** Every byte that has arrived on a connection, and how many of them a test has taken. */
export class Arrivals {
  #bytes = Buffer.allocUnsafe(INITIAL_CAPACITY_BYTES);
  #length = 0;
  #taken = 0;

  push(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    chunk.copy(this.#bytes, this.#length);
    this.#length = length;
  }

  /** How many bytes have arrived, taken or not. */
  get length(): number {
    return this.#length;
  }

  /** How many bytes were taken, whoever took them. */
  get taken(): number {
    return this.#taken;
  }

  /** All so far, taken or not. A view: later bytes do not change it. */
  get all(): Buffer {
    return this.from(0);
  }

  /** What has arrived and was not taken yet. A view, as `all`. */
  get pending(): Buffer {
    return this.from(this.#taken);
  }

  /** All from this byte on, counted from the first that arrived. A view, as `all`. */
  from(position: number): Buffer {
    return this.#bytes.subarray(position, this.#length);
  }

  take(length: number): void {
    this.#taken += length;
  }
}
