const EMPTY = Buffer.alloc(0);

/** A chunk smaller than this is copied behind its predecessor, so that a client which drips bytes does not cost a Buffer for each. */
const COPY_BELOW = 4_096;
const SMALLEST_BLOCK = 1_024;

/**
 * Received bytes that nobody has taken yet: a list of chunks that is read as if it were one Buffer.
 *
 * Chunks are kept as they came, and taking bytes copies nothing unless they lie in more than one chunk.
 */
export class ByteQueue {
  #chunks: Buffer[] = [];
  /** Index of the front chunk in `#chunks`; those before it are spent. */
  #front = 0;
  /** Bytes of the front chunk that are spent. */
  #offset = 0;
  #length = 0;
  /** Free bytes behind the last chunk, where that is a block of our own. */
  #spare: Buffer = EMPTY;

  /** Bytes in the queue. */
  get length(): number {
    return this.#length;
  }

  /** Puts a chunk at the end. The queue owns it from now on. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.#length === 0) {
      this.#reset();
      this.#chunks.push(chunk);
    } else if (chunk.length <= this.#spare.length) {
      this.#appendToBlock(chunk);
    } else if (chunk.length < COPY_BELOW) {
      this.#startBlock(chunk);
    } else {
      this.#spare = EMPTY;
      this.#chunks.push(chunk);
    }
    this.#length += chunk.length;
  }

  /** The byte at `index` from the front; `undefined` past the end. */
  at(index: number): number | undefined {
    let position = index + this.#offset;
    for (let i = this.#front; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i] as Buffer;
      if (position < chunk.length) return chunk[position];
      position -= chunk.length;
    }
    return undefined;
  }

  /** The index of the first `needle` at or after `from`; -1 if it is not there, or not whole. */
  indexOf(needle: number | Uint8Array, from = 0): number {
    if (typeof needle !== 'number') return this.#indexOfBytes(needle, from);
    let start = from + this.#offset;
    let before = -this.#offset;
    for (let i = this.#front; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i] as Buffer;
      if (start < chunk.length) {
        const found = chunk.indexOf(needle, start);
        if (found !== -1) return before + found;
        start = 0;
      } else {
        start -= chunk.length;
      }
      before += chunk.length;
    }
    return -1;
  }

  /** Takes `count` bytes off the front. */
  take(count: number): Buffer {
    if (count > this.#length) throw new RangeError(`cannot take ${count} bytes of ${this.#length}`);
    if (count === 0) return EMPTY;
    const chunk = this.#chunks[this.#front] as Buffer;
    const end = this.#offset + count;
    if (end > chunk.length) return this.#gather(count);
    const taken = this.#offset === 0 && end === chunk.length ? chunk : chunk.subarray(this.#offset, end);
    this.#advance(count);
    return taken;
  }

  /** Takes the front chunk, or what is left of it. */
  takeChunk(): Buffer {
    const chunk = this.#chunks[this.#front];
    return chunk === undefined ? EMPTY : this.take(chunk.length - this.#offset);
  }

  /** Drops `count` bytes off the front. */
  skip(count: number): void {
    if (count > this.#length) throw new RangeError(`cannot skip ${count} bytes of ${this.#length}`);
    let left = count;
    while (left > 0) {
      const step = Math.min(left, (this.#chunks[this.#front] as Buffer).length - this.#offset);
      this.#advance(step);
      left -= step;
    }
  }

  clear(): void {
    this.#length = 0;
    this.#reset();
  }

  #indexOfBytes(needle: Uint8Array, from: number): number {
    const first = needle[0];
    if (first === undefined) return from <= this.#length ? from : -1;
    if (needle.length === 1) return this.indexOf(first, from);
    for (let start = from; ; start++) {
      start = this.indexOf(first, start);
      if (start === -1 || start + needle.length > this.#length) return -1;
      let matched = 1;
      while (matched < needle.length && this.at(start + matched) === needle[matched]) matched++;
      if (matched === needle.length) return start;
    }
  }

  #gather(count: number): Buffer {
    const taken = Buffer.allocUnsafe(count);
    let filled = 0;
    while (filled < count) {
      const chunk = this.#chunks[this.#front] as Buffer;
      const step = Math.min(count - filled, chunk.length - this.#offset);
      chunk.copy(taken, filled, this.#offset, this.#offset + step);
      filled += step;
      this.#advance(step);
    }
    return taken;
  }

  /** Spends `count` bytes of the front chunk, which has at least as many. */
  #advance(count: number): void {
    this.#length -= count;
    if (this.#length === 0) {
      this.#reset();
      return;
    }
    this.#offset += count;
    if (this.#offset < (this.#chunks[this.#front] as Buffer).length) return;
    this.#offset = 0;
    this.#chunks[this.#front++] = EMPTY;
    // Spent places at the front are given back once they are the larger half, which keeps it linear.
    if (this.#front > 32 && this.#front * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#front);
      this.#front = 0;
    }
  }

  #reset(): void {
    if (this.#chunks.length > 0) this.#chunks = [];
    this.#front = 0;
    this.#offset = 0;
    this.#spare = EMPTY;
  }

  #appendToBlock(chunk: Buffer): void {
    chunk.copy(this.#spare, 0);
    const last = this.#chunks.length - 1;
    const block = this.#chunks[last] as Buffer;
    // The block and its spare bytes lie next to each other, so the longer view needs no copy.
    this.#chunks[last] = Buffer.from(block.buffer, block.byteOffset, block.length + chunk.length);
    this.#spare = this.#spare.subarray(chunk.length);
  }

  /** Replaces a small last chunk by a block with room behind it, twice as large each time; else opens a block of its own. */
  #startBlock(chunk: Buffer): void {
    const last = this.#chunks.length - 1;
    const previous = this.#chunks[last] as Buffer;
    const joined = previous.length < 16 * COPY_BELOW;
    const kept = joined ? previous.length : 0;
    const block = Buffer.allocUnsafeSlow(Math.max(SMALLEST_BLOCK, 2 * (kept + chunk.length)));
    if (joined) previous.copy(block, 0);
    chunk.copy(block, kept);
    const filled = block.subarray(0, kept + chunk.length);
    if (joined) this.#chunks[last] = filled;
    else this.#chunks.push(filled);
    this.#spare = block.subarray(kept + chunk.length);
  }
}
