import { FrameTooLongError, InvalidMessageError } from '../errors.js';
import type { ByteQueue } from './byte-queue.js';
import type { ByteSink, Decoder } from './codec.js';
import {
  FRAME_MAX_LENGTH,
  requireBoolean,
  requireLength,
  requireOneOf,
  requireOptions,
  shown,
} from './codec-options.js';
import { FramedCodec } from './framed-codec.js';

/** A message up to this size is copied behind its header; a longer one is sent as it is, in a piece of its own. */
const COPY_UP_TO = 4_096;

/** A number of 32 bits has seven of them in each byte. */
const VARINT_MAX_BYTES = 5;
const VARINT_MAX = 0xffff_ffff;

export interface LengthPrefixedOptions {
  /** The size of the length: 1 to 4 bytes, or `'varint'` as in Protocol Buffers and MQTT. */
  readonly bytes: 1 | 2 | 3 | 4 | 'varint';
  /** The order of the length's bytes. Default: `'big'`, the network's. A varint has its own. */
  readonly endian?: 'big' | 'little';
  /** The most bytes that a client may announce to follow the length. Default: 16 MiB. */
  readonly maxLength?: number;
  /** Whether the length counts the header too: itself, and the bytes before it. Default: `false`. */
  readonly includesHeader?: boolean;
  /** Bytes that come before the length, a type or a magic number. Default: 0. */
  readonly offset?: number;
  /** Bytes that follow the length and are not counted by it (a flag, a checksum); negative if it counts some that do not follow. Default: 0. */
  readonly adjustment?: number;
  /**
   * What is left out of a message.
   *
   * - `'length'`, the default: the length. A message is the `offset` bytes before it and all that follows it.
   * - `'header'`: the bytes before it too. When a message is sent, zeros stand in their place.
   * - `'none'`: nothing, a message is the whole frame. When it is sent, the length is filled in. Not with `'varint'`.
   */
  readonly strip?: 'length' | 'header' | 'none';
}

/**
 * Frames that begin with their length.
 *
 * A length over `maxLength` is a `FrameTooLongError` before anything is allocated for it; one that contradicts itself is an
 * `InvalidMessageError`. A stream that ends inside a frame is an `UnexpectedEndError`. `encode` throws an `InvalidMessageError` for a
 * message whose length cannot be written.
 *
 * @example
 * ```ts
 * import { lengthPrefixed, text } from '@reagent/core';
 *
 * const packets = lengthPrefixed({ bytes: 2, maxLength: 4_096 });
 * const delimitedProtobuf = lengthPrefixed({ bytes: 'varint' });
 * // One byte of type, then the length of all five bytes of header and the body; messages are the type and the body.
 * const typed = lengthPrefixed({ bytes: 4, offset: 1, includesHeader: true });
 * const texts = packets.pipe(text());
 * ```
 */
export function lengthPrefixed(options: LengthPrefixedOptions): FramedCodec<Buffer, Uint8Array | string> {
  const known = ['bytes', 'endian', 'maxLength', 'includesHeader', 'offset', 'adjustment', 'strip'];
  requireOptions('lengthPrefixed', options, known);
  return new LengthPrefixedCodec(options);
}

/** Nothing is remembered between chunks, so all connections share one decoder: the codec itself. */
class LengthPrefixedCodec extends FramedCodec<Buffer, Uint8Array | string> implements Decoder<Buffer> {
  readonly #bytes: 1 | 2 | 3 | 4 | 'varint';
  readonly #isBig: boolean;
  readonly #maxLength: number;
  readonly #includesHeader: boolean;
  readonly #offset: number;
  readonly #adjustment: number;
  readonly #strip: 'length' | 'header' | 'none';
  /** The largest number that the length can be. */
  readonly #largest: number;

  constructor(options: LengthPrefixedOptions) {
    super();
    const { bytes, endian = 'big', maxLength = FRAME_MAX_LENGTH, includesHeader = false } = options;
    const { offset = 0, adjustment = 0, strip = 'length' } = options;
    const codec = 'lengthPrefixed';
    requireOneOf(codec, 'bytes', bytes, [1, 2, 3, 4, 'varint']);
    requireOneOf(codec, 'endian', endian, ['big', 'little']);
    requireLength(codec, 'maxLength', maxLength);
    requireBoolean(codec, 'includesHeader', includesHeader);
    requireLength(codec, 'offset', offset, 0);
    requireOneOf(codec, 'strip', strip, ['length', 'header', 'none']);
    if (!Number.isSafeInteger(adjustment)) {
      throw new RangeError(`lengthPrefixed({ adjustment }) takes a whole number of bytes, not ${shown(adjustment)}`);
    }
    if (bytes === 'varint' && options.endian !== undefined) {
      throw new RangeError(`lengthPrefixed({ bytes: 'varint', endian }) cannot be: a varint has an order of its own`);
    }
    if (bytes === 'varint' && strip === 'none') {
      throw new RangeError(
        `lengthPrefixed({ bytes: 'varint', strip: 'none' }) cannot be: the place for the length has no fixed size`,
      );
    }
    this.#bytes = bytes;
    this.#isBig = endian === 'big';
    this.#maxLength = maxLength;
    this.#includesHeader = includesHeader;
    this.#offset = offset;
    this.#adjustment = adjustment;
    this.#strip = strip;
    this.#largest = bytes === 'varint' ? VARINT_MAX : 256 ** bytes - 1;
  }

  decoder(): Decoder<Buffer> {
    return this;
  }

  /** Hot path. */
  decode(input: ByteQueue): Buffer | undefined {
    const bytes = this.#bytes === 'varint' ? varintBytes(input, this.#offset) : this.#bytes;
    const header = this.#offset + bytes;
    if (bytes === 0 || input.length < header) return undefined;
    const value = this.#bytes === 'varint' ? varint(input, this.#offset, bytes) : this.#read(input, bytes);
    const rest = value + this.#adjustment - (this.#includesHeader ? header : 0);
    if (rest > this.#maxLength) throw new FrameTooLongError(this.#maxLength);
    if (rest < 0) throw invalid(`a length of ${value} is less than what it has to count`);
    if (input.length < header + rest) return undefined;
    return this.#take(input, bytes, rest);
  }

  /** Hot path. */
  encode(message: Uint8Array | string, output: ByteSink): void {
    const size = typeof message === 'string' ? Buffer.byteLength(message) : message.length;
    if (this.#strip === 'none') return this.#encodeWhole(message, size, output);
    const before = this.#strip === 'length' ? this.#offset : 0;
    if (size < before)
      throw invalid(`a message begins with ${before} bytes that come before its length; this has ${size}`);
    const rest = size - before;
    const bytes = this.#bytes === 'varint' ? this.#varintBytesFor(rest) : this.#bytes;
    const header = this.#offset + bytes;
    const isCopied = before > 0 || size <= COPY_UP_TO;
    const frame = Buffer.allocUnsafe(isCopied ? header + rest : header);
    if (isCopied) put(message, frame, header - before);
    // The bytes before the length have left room for it in front of them: there they belong.
    if (before > 0) frame.copyWithin(0, bytes, header);
    else if (this.#offset > 0) frame.fill(0, 0, this.#offset);
    this.#write(frame, rest, bytes);
    output.write(frame);
    if (!isCopied) output.write(message);
  }

  #encodeWhole(message: Uint8Array | string, size: number, output: ByteSink): void {
    const bytes = this.#bytes as number;
    const header = this.#offset + bytes;
    if (size < header) throw invalid(`a message begins with a header of ${header} bytes; this has ${size}`);
    const frame = Buffer.allocUnsafe(size);
    put(message, frame, 0);
    this.#write(frame, size - header, bytes);
    output.write(frame);
  }

  #read(input: ByteQueue, bytes: number): number {
    return this.#isBig ? input.readUIntBE(this.#offset, bytes) : input.readUIntLE(this.#offset, bytes);
  }

  #take(input: ByteQueue, bytes: number, rest: number): Buffer {
    if (this.#strip === 'none') return input.take(this.#offset + bytes + rest);
    if (this.#strip === 'header' || this.#offset === 0) {
      input.skip(this.#offset + bytes);
      return input.take(rest);
    }
    const before = input.take(this.#offset);
    input.skip(bytes);
    return Buffer.concat([before, input.take(rest)]);
  }

  /** What stands in the length for a frame with `rest` bytes behind it. */
  #valueFor(rest: number, bytes: number): number {
    return rest - this.#adjustment + (this.#includesHeader ? this.#offset + bytes : 0);
  }

  #write(frame: Buffer, rest: number, bytes: number): void {
    const value = this.#valueFor(rest, bytes);
    if (value < 0 || value > this.#largest) {
      const size = this.#bytes === 'varint' ? 'a varint' : `${bytes} bytes`;
      throw invalid(`its length would be ${value}, which cannot be written in ${size}`);
    }
    if (this.#bytes === 'varint') writeVarint(frame, this.#offset, bytes, value);
    else if (this.#isBig) frame.writeUIntBE(value, this.#offset, bytes);
    else frame.writeUIntLE(value, this.#offset, bytes);
  }

  /** How many bytes the length takes, where it may count itself. */
  #varintBytesFor(rest: number): number {
    let bytes = 1;
    while (bytes < VARINT_MAX_BYTES && this.#valueFor(rest, bytes) >= 2 ** (7 * bytes)) bytes++;
    return bytes;
  }
}

/** How many bytes the varint at `index` has; 0 if its end is not there yet. */
function varintBytes(input: ByteQueue, index: number): number {
  for (let bytes = 1; bytes <= VARINT_MAX_BYTES; bytes++) {
    const byte = input.at(index + bytes - 1);
    if (byte === undefined) return 0;
    if (byte < 0x80) return bytes;
  }
  throw invalid(`a varint of more than ${VARINT_MAX_BYTES} bytes`);
}

function varint(input: ByteQueue, index: number, bytes: number): number {
  let value = 0;
  for (let i = bytes - 1; i >= 0; i--) value = value * 128 + ((input.at(index + i) as number) & 0x7f);
  if (value > VARINT_MAX) throw invalid('a varint of more than 32 bits');
  return value;
}

function writeVarint(frame: Buffer, index: number, bytes: number, value: number): void {
  let left = value;
  for (let i = 0; i < bytes; i++) {
    frame[index + i] = (left % 128) | (i < bytes - 1 ? 0x80 : 0);
    left = Math.floor(left / 128);
  }
}

function put(message: Uint8Array | string, frame: Buffer, at: number): void {
  if (typeof message === 'string') frame.write(message, at);
  else frame.set(message, at);
}

function invalid(message: string): InvalidMessageError {
  return new InvalidMessageError([{ path: [], message }]);
}
