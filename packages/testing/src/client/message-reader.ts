import { ByteQueue, type Codec, type Decoder, UnexpectedEndError } from '@reagent/core';
import type { Arrivals } from './arrivals.js';

/**
 * Cuts what arrives into messages, as a connection of a server would. Bytes that a test takes in between, with `line()` say, are left
 * out: the next message begins behind them.
 */
export class MessageReader<In> {
  readonly #codec: Codec<In, never>;
  readonly #arrivals: Arrivals;
  #decoder: Decoder<In>;
  #queue = new ByteQueue();
  /** Up to where the queue was filled, counted from the first byte that arrived. */
  #filled = 0;

  constructor(codec: Codec<In, never>, arrivals: Arrivals) {
    this.#codec = codec;
    this.#arrivals = arrivals;
    this.#decoder = codec.decoder();
  }

  /**
   * Takes the next message; `undefined` if more bytes are needed, or if nothing is left at the end. When it throws what the codec
   * throws, nothing was taken.
   */
  next(ended: boolean): In | undefined {
    this.#fill();
    try {
      const before = this.#queue.position;
      const message = this.#decode(ended);
      this.#arrivals.take(this.#queue.position - before);
      return message;
    } catch (error) {
      this.#restart();
      throw error;
    }
  }

  #decode(ended: boolean): In | undefined {
    const { length } = this.#queue;
    if (length === 0) return undefined;
    const message = this.#decoder.decode(this.#queue);
    if (message !== undefined || !ended || this.#queue.length === 0) return message;
    if (this.#decoder.end === undefined) throw new UnexpectedEndError(length);
    const last = this.#decoder.end(this.#queue);
    this.#queue.clear();
    return last;
  }

  #fill(): void {
    const queueStart = this.#filled - this.#queue.length;
    if (queueStart !== this.#arrivals.taken) this.#restart();
    // A copy, so that a message that a test changes leaves what has arrived as it was.
    this.#queue.push(Buffer.from(this.#arrivals.from(this.#filled)));
    this.#filled = this.#arrivals.length;
  }

  /** Begins anew with what nobody has taken. */
  #restart(): void {
    this.#decoder = this.#codec.decoder();
    this.#queue = new ByteQueue();
    this.#filled = this.#arrivals.taken;
  }
}
