import { FrameTooLongError, UnexpectedEndError } from '../errors.js';
import type { ByteQueue } from './byte-queue.js';

/** Looks for the delimiter of one connection's next frame, at each byte once however slowly they come. */
export class DelimiterSearch {
  readonly #needle: number | Uint8Array;
  readonly #size: number;
  readonly #maxLength: number;
  /** How much longer than `maxLength` what comes before the delimiter may be, because its end may not belong to the frame. */
  readonly #tolerance: number;
  /** The position before which no delimiter begins. */
  #scanned = 0;

  constructor(delimiter: Uint8Array, maxLength: number, tolerance = 0) {
    this.#needle = delimiter.length === 1 ? (delimiter[0] as number) : delimiter;
    this.#size = delimiter.length;
    this.#maxLength = maxLength;
    this.#tolerance = tolerance;
  }

  /** Whether a part of the next frame has been looked at already. */
  isUnderWay(input: ByteQueue): boolean {
    return this.#scanned > input.position;
  }

  /** The index of the next delimiter; -1 if it is not there yet. Throws `FrameTooLongError` as soon as the frame is too long. */
  find(input: ByteQueue): number {
    const { position, length } = input;
    const found = input.indexOf(this.#needle, Math.max(0, this.#scanned - position));
    const longest = this.#maxLength + this.#tolerance;
    if (found > longest || (found === -1 && length >= longest + this.#size))
      throw new FrameTooLongError(this.#maxLength);
    // The end of what is there may be the beginning of a delimiter.
    if (found === -1) this.#scanned = position + Math.max(0, length - this.#size + 1);
    return found;
  }

  /** The stream has ended: how many bytes the last frame has, which lacks its delimiter. */
  last(input: ByteQueue, mayLackDelimiter: boolean): number {
    if (!mayLackDelimiter) throw new UnexpectedEndError(input.length);
    if (input.length > this.#maxLength + this.#tolerance) throw new FrameTooLongError(this.#maxLength);
    return input.length;
  }
}
