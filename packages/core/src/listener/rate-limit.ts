import type { AcceptRate } from '../descriptor/descriptor.js';

/** Addresses that may be remembered before those that have been quiet long enough are forgotten. */
const SWEEP_FROM = 1_024;

interface Bucket {
  tokens: number;
  /** When `tokens` was right, as `performance.now()`. */
  at: number;
}

/**
 * How fast each address may connect: a token bucket an address, filled with `perIp` tokens an interval up to `burst`.
 *
 * A bucket that is full again says nothing and is forgotten, so memory follows the addresses seen lately.
 */
export class RateLimit {
  readonly #buckets = new Map<string, Bucket>();
  readonly #burst: number;
  readonly #perMillisecond: number;
  #sweepAt = SWEEP_FROM;

  constructor({ perIp, interval, burst = perIp }: AcceptRate) {
    this.#burst = burst;
    this.#perMillisecond = perIp / interval;
  }

  /** Addresses remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes a token of this address; `false` if it has none. */
  take(address: string, now = performance.now()): boolean {
    const bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#sweepAt) this.#sweep(now);
      this.#buckets.set(address, { tokens: this.#burst - 1, at: now });
      return true;
    }
    bucket.tokens = this.#filled(bucket, now);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  #filled({ tokens, at }: Bucket, now: number): number {
    return Math.min(this.#burst, tokens + (now - at) * this.#perMillisecond);
  }

  #sweep(now: number): void {
    for (const [address, bucket] of this.#buckets) {
      if (this.#filled(bucket, now) >= this.#burst) this.#buckets.delete(address);
    }
    this.#sweepAt = Math.max(SWEEP_FROM, this.#buckets.size * 2);
  }
}
