const EMPTY = Buffer.alloc(0);
const NONE: readonly Buffer[] = [];

/** A chunk smaller than this is copied behind its predecessor, so that a client which drips bytes does not cost a Buffer for each. */
const COPY_BELOW = 512;
const SMALLEST_BLOCK = 1_024;

/** A block of copied chunks that has become as large as this is left as it is, and another begins. */
const LARGE_BLOCK = 65_536;

/** What is taken from a chunk larger than this is copied if it is less than a quarter of it: it may be kept much longer than the rest. */
const SHARE_BELOW = 8_192;

/** Methods of Buffer that Node.js has always had and does not list: `toString` without looking its encoding up. */
interface TextSource {
  utf8Slice(start: number, end: number): string;
  latin1Slice(start: number, end: number): string;
}

/**
 * Received bytes that nobody has taken yet, read as if they were one Buffer: what a `Decoder` gets.
 *
 * Indexes count from the front, where the next byte to be taken is. Looking at bytes takes none of them.
 *
 * @example
 * ```ts
 * import type { ByteQueue } from '@reagent/core';
 *
 * // A length of two bytes, then as many bytes of text.
 * function decode(input: ByteQueue): string | undefined {
 *   if (input.length < 2) return undefined;
 *   const length = input.readUIntBE(0, 2);
 *   if (input.length < 2 + length) return undefined;
 *   input.skip(2);
 *   return input.takeText(length);
 * }
 * ```
 */
export class ByteQueue {
  // Chunks are kept as they came. The front one stands by itself, since mostly it is the only one.
  #front: Buffer = EMPTY;
  /** Bytes of the front chunk that are taken. */
  #offset = 0;
  /** Where in the front chunk so little is left of it that it is no longer worth its memory. */
  #trimAt = Infinity;
  /** What is taken from the front chunk is copied if it is shorter than this. */
  #copyBelow = 0;
  /** The chunks behind the front one, from `#next` on. */
  #later: Buffer[] = NONE as Buffer[];
  #next = 0;
  #length = 0;
  /** Bytes that were ever put in. */
  #received = 0;
  /** Free bytes behind the last chunk, where that is a block of our own. */
  #spare: Buffer = EMPTY;

  /** Bytes in the queue. */
  get length(): number {
    return this.#length;
  }

  /**
   * Bytes taken so far, whoever took them. A decoder that remembers how far it has looked remembers it as a position: an index is
   * wrong as soon as someone else has taken bytes, with `recv(n)` say.
   */
  get position(): number {
    return this.#received - this.#length;
  }

  /** How many bytes from the front on lie side by side in memory. */
  get contiguous(): number {
    return this.#front.length - this.#offset;
  }

  /** Puts a chunk at the end. The queue owns it from now on. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.#length === 0) {
      this.#setFront(chunk);
    } else if (chunk.length <= this.#spare.length) {
      this.#appendToBlock(chunk);
    } else if (chunk.length < COPY_BELOW) {
      this.#startBlock(chunk);
    } else {
      this.#spare = EMPTY;
      this.#append(chunk);
    }
    this.#length += chunk.length;
    this.#received += chunk.length;
  }

  /** The byte at `index`; `undefined` past the end. */
  at(index: number): number | undefined {
    const position = this.#offset + index;
    if (position < this.#front.length) return this.#front[position];
    if (index >= this.#length) return undefined;
    // From the end, since a decoder that waits for more bytes looks there.
    let start = this.#length;
    for (let i = this.#later.length - 1; i >= this.#next; i--) {
      const chunk = this.#later[i] as Buffer;
      start -= chunk.length;
      if (index >= start) return chunk[index - start];
    }
    return undefined;
  }

  /**
   * The unsigned number in `byteLength` bytes (1 to 6) from `index` on, the most significant byte first.
   *
   * @throws RangeError if they are not all there.
   */
  readUIntBE(index: number, byteLength: number): number {
    this.#require(index, byteLength);
    let value = 0;
    for (let i = 0; i < byteLength; i++) value = value * 256 + (this.at(index + i) as number);
    return value;
  }

  /**
   * The unsigned number in `byteLength` bytes (1 to 6) from `index` on, the least significant byte first.
   *
   * @throws RangeError if they are not all there.
   */
  readUIntLE(index: number, byteLength: number): number {
    this.#require(index, byteLength);
    let value = 0;
    for (let i = byteLength - 1; i >= 0; i--) value = value * 256 + (this.at(index + i) as number);
    return value;
  }

  /** The index of the first `needle` that begins at or after `from`; -1 if it is not there, or not whole. */
  indexOf(needle: number | Uint8Array, from = 0): number {
    const inFront = this.#front.indexOf(needle, this.#offset + from);
    if (inFront !== -1) return inFront - this.#offset;
    if (this.#later.length === 0) return -1;
    return typeof needle === 'number' ? this.#indexOfByte(needle, from) : this.#indexOfBytes(needle, from);
  }

  /** The text of the next `limit` bytes, or of as many of them as are contiguous. */
  peekText(limit: number, encoding: BufferEncoding = 'utf8'): string {
    const end = Math.min(this.#offset + limit, this.#front.length);
    return textOf(this.#front, encoding, this.#offset, end);
  }

  /**
   * Takes `count` bytes off the front. They may share memory with other bytes that were received, but never with much more than
   * they are themselves.
   *
   * @throws RangeError if there are not as many.
   */
  take(count: number): Buffer {
    this.#require(0, count);
    if (count === 0) return EMPTY;
    const front = this.#front;
    const start = this.#offset;
    const end = start + count;
    if (end > front.length) return this.#gather(count);
    let taken: Buffer;
    if (count === front.length) taken = front;
    else if (count < this.#copyBelow) taken = copyOf(front, start, end);
    else taken = front.subarray(start, end);
    this.#advance(count);
    return taken;
  }

  /**
   * Takes `count` bytes off the front as text.
   *
   * @throws RangeError if there are not as many.
   */
  takeText(count: number, encoding: BufferEncoding = 'utf8'): string {
    this.#require(0, count);
    if (count === 0) return '';
    const end = this.#offset + count;
    if (end > this.#front.length) return this.#gather(count).toString(encoding);
    const text = textOf(this.#front, encoding, this.#offset, end);
    this.#advance(count);
    return text;
  }

  /** Takes what is contiguous at the front: a chunk as it was received, or what is left of it. */
  takeChunk(): Buffer {
    const front = this.#front;
    const taken = this.#offset === 0 ? front : front.subarray(this.#offset);
    if (taken.length > 0) this.#advance(taken.length);
    return taken;
  }

  /**
   * Drops `count` bytes off the front.
   *
   * @throws RangeError if there are not as many.
   */
  skip(count: number): void {
    if (count >= 0 && count <= this.contiguous) {
      this.#advance(count);
      return;
    }
    this.#require(0, count);
    let left = count;
    while (left > 0) {
      const step = Math.min(left, this.#front.length - this.#offset);
      this.#advance(step);
      left -= step;
    }
  }

  /** Drops all bytes. */
  clear(): void {
    this.#length = 0;
    this.#reset();
  }

  #require(index: number, count: number): void {
    // Negated, so that NaN is refused as well.
    if (!(index >= 0 && count >= 0 && index + count <= this.#length)) {
      throw new RangeError(`there are no ${count} bytes from ${index} on: the queue has ${this.#length}`);
    }
  }

  #indexOfByte(byte: number, from: number): number {
    const first = this.#laterAt(from);
    let start = first.start;
    for (let i = first.index; i < this.#later.length; i++) {
      const chunk = this.#later[i] as Buffer;
      const found = chunk.indexOf(byte, Math.max(0, from - start));
      if (found !== -1) return start + found;
      start += chunk.length;
    }
    return -1;
  }

  #indexOfBytes(needle: Uint8Array, from: number): number {
    const first = needle[0];
    if (first === undefined) return Math.min(from, this.#length);
    for (let start = from; ; start++) {
      start = this.indexOf(first, start);
      if (start === -1 || start + needle.length > this.#length) return -1;
      let matched = 1;
      while (matched < needle.length && this.at(start + matched) === needle[matched]) matched++;
      if (matched === needle.length) return start;
    }
  }

  /** The chunk behind the front one in which the byte at `index` lies, or the first of them; and the index at which it starts. */
  #laterAt(index: number): { index: number; start: number } {
    let start = this.#length;
    for (let i = this.#later.length - 1; i > this.#next; i--) {
      start -= (this.#later[i] as Buffer).length;
      if (index >= start) return { index: i, start };
    }
    return { index: this.#next, start: this.contiguous };
  }

  #gather(count: number): Buffer {
    const taken = Buffer.allocUnsafe(count);
    let filled = 0;
    while (filled < count) {
      const step = Math.min(count - filled, this.#front.length - this.#offset);
      this.#front.copy(taken, filled, this.#offset, this.#offset + step);
      filled += step;
      this.#advance(step);
    }
    return taken;
  }

  /** Hot path: spends `count` bytes of the front chunk, which has at least as many. */
  #advance(count: number): void {
    this.#length -= count;
    this.#offset += count;
    if (this.#offset < this.#trimAt) return;
    if (this.#length === 0) this.#reset();
    else if (this.#offset === this.#front.length) this.#shift();
    else this.#trim();
  }

  #reset(): void {
    this.#front = EMPTY;
    this.#offset = 0;
    this.#trimAt = Infinity;
    this.#later = NONE as Buffer[];
    this.#next = 0;
    this.#spare = EMPTY;
  }

  #setFront(chunk: Buffer): void {
    const memory = chunk.buffer.byteLength;
    this.#front = chunk;
    this.#offset = 0;
    if (memory <= SHARE_BELOW) {
      this.#trimAt = chunk.length;
      this.#copyBelow = 0;
    } else {
      this.#trimAt = Math.max(0, chunk.length - (memory >>> 2));
      this.#copyBelow = memory >>> 2;
    }
  }

  /** Goes on to the next chunk. */
  #shift(): void {
    const { length } = this.#later;
    const next = this.#later[this.#next] as Buffer;
    this.#later[this.#next++] = EMPTY;
    if (this.#next === length) {
      this.#later = NONE as Buffer[];
      this.#next = 0;
    } else if (this.#next > 32 && this.#next * 2 > length) {
      // Spent places at the front are given back once they are the larger half, which keeps it linear.
      this.#later = this.#later.slice(this.#next);
      this.#next = 0;
    }
    this.#setFront(next);
  }

  /**
   * Little is left of a large chunk, and it may have to wait long for more: keeps a copy and lets the chunk go. Each copy is a quarter
   * of the memory before it, so all of them together are less than the chunk.
   */
  #trim(): void {
    if (this.#later.length > 0) {
      // There is more to keep than this chunk, and more is about to be taken.
      this.#trimAt = this.#front.length;
      return;
    }
    const rest = Buffer.allocUnsafeSlow(this.#front.length - this.#offset);
    this.#front.copy(rest, 0, this.#offset);
    this.#spare = EMPTY;
    this.#setFront(rest);
  }

  #append(chunk: Buffer): void {
    if (this.#later.length === 0) this.#later = [chunk];
    else this.#later.push(chunk);
  }

  get #last(): Buffer {
    return this.#later.length === 0 ? this.#front : (this.#later[this.#later.length - 1] as Buffer);
  }

  #setLast(block: Buffer, isMoved: boolean): void {
    if (this.#later.length > 0) {
      this.#later[this.#later.length - 1] = block;
      return;
    }
    const offset = isMoved ? 0 : this.#offset;
    this.#setFront(block);
    this.#offset = offset;
  }

  #appendToBlock(chunk: Buffer): void {
    const block = this.#last;
    chunk.copy(this.#spare, 0);
    this.#spare = this.#spare.subarray(chunk.length);
    // The block and its spare bytes lie next to each other, so the longer view needs no copy.
    this.#setLast(Buffer.from(block.buffer, block.byteOffset, block.length + chunk.length), false);
  }

  /** Moves a last chunk that is small, or full after it had room, into a block twice as large; else opens a block behind it. */
  #startBlock(chunk: Buffer): void {
    const last = this.#last;
    const isFront = this.#later.length === 0;
    const kept = isFront ? last.subarray(this.#offset) : last;
    const isJoined = kept.length < LARGE_BLOCK;
    const start = isJoined ? kept.length : 0;
    const block = Buffer.allocUnsafeSlow(Math.max(SMALLEST_BLOCK, 2 * (start + chunk.length)));
    if (isJoined) kept.copy(block, 0);
    chunk.copy(block, start);
    const filled = block.subarray(0, start + chunk.length);
    if (isJoined) this.#setLast(filled, true);
    else this.#append(filled);
    this.#spare = block.subarray(start + chunk.length);
  }
}

function textOf(bytes: Buffer, encoding: BufferEncoding, start: number, end: number): string {
  if (encoding === 'utf8') return (bytes as Buffer & TextSource).utf8Slice(start, end);
  if (encoding === 'latin1') return (bytes as Buffer & TextSource).latin1Slice(start, end);
  return bytes.toString(encoding, start, end);
}

function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
}
