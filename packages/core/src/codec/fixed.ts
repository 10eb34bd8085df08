import { InvalidMessageError } from '../errors.js';
import type { ByteQueue } from './byte-queue.js';
import type { ByteSink, Decoder } from './codec.js';
import { shown } from './codec-options.js';
import { FramedCodec } from './framed-codec.js';

/**
 * Frames of exactly `length` bytes, in both directions. A stream that ends inside one is an `UnexpectedEndError`; `encode` throws an
 * `InvalidMessageError` for a message of another length.
 *
 * @example
 * ```ts
 * import { fixed } from '@reagent/core';
 *
 * const codec = fixed(188);
 * ```
 */
export function fixed(length: number): FramedCodec<Buffer, Uint8Array | string> {
  if (!Number.isSafeInteger(length) || length < 1) {
    throw new RangeError(`fixed() takes a whole number of bytes from 1 on, not ${shown(length)}`);
  }
  return new FixedCodec(length);
}

class FixedCodec extends FramedCodec<Buffer, Uint8Array | string> implements Decoder<Buffer> {
  readonly #length: number;

  constructor(length: number) {
    super();
    this.#length = length;
  }

  /** Nothing is remembered between chunks, so all connections share one decoder. */
  decoder(): Decoder<Buffer> {
    return this;
  }

  decode(input: ByteQueue): Buffer | undefined {
    return input.length < this.#length ? undefined : input.take(this.#length);
  }

  encode(message: Uint8Array | string, output: ByteSink): void {
    const length = typeof message === 'string' ? Buffer.byteLength(message) : message.length;
    if (length !== this.#length) {
      throw new InvalidMessageError([{ path: [], message: `a frame has ${this.#length} bytes, not ${length}` }]);
    }
    output.write(message);
  }
}
