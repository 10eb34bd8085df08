import { InvalidMessageError } from '../errors.js';
import type { ByteQueue } from './byte-queue.js';
import type { ByteSink, Decoder } from './codec.js';
import { FRAME_MAX_LENGTH, requireBoolean, requireLength, requireOptions, shown } from './codec-options.js';
import { DelimiterSearch } from './delimiter-search.js';
import { FramedCodec } from './framed-codec.js';

export interface DelimitedOptions {
  /** The longest frame that a client may send, in bytes and without its delimiter. Default: 16 MiB. */
  readonly maxLength?: number;
  /**
   * Whether a last frame without a delimiter is an `UnexpectedEndError`. Set it where half a frame would do harm.
   * Default: `false`, it is a frame as the others.
   */
  readonly requireDelimiter?: boolean;
}

/**
 * Frames of bytes with `delimiter` (text is UTF-8) behind each; messages are without it. A frame to be sent may not contain it.
 *
 * The decoder throws a `FrameTooLongError` for a frame longer than `maxLength`, `encode` an `InvalidMessageError` for bytes that are
 * no frame.
 *
 * @example
 * ```ts
 * import { Connection, delimited, OnData, Reagent } from '@reagent/core';
 *
 * @Reagent({ port: 8080, codec: delimited('\0', { maxLength: 4_096 }) })
 * class Paths {
 *   @OnData()
 *   path(conn: Connection, path: Buffer) {
 *     conn.send(`got ${path.length} bytes`);
 *   }
 * }
 * ```
 */
export function delimited(
  delimiter: string | Uint8Array,
  options: DelimitedOptions = {},
): FramedCodec<Buffer, Uint8Array | string> {
  requireOptions('delimited', options, ['maxLength', 'requireDelimiter']);
  return new DelimitedCodec(bytesOf(delimiter), options);
}

function bytesOf(delimiter: unknown): Buffer {
  if (typeof delimiter !== 'string' && !(delimiter instanceof Uint8Array)) {
    throw new TypeError(`delimited() takes a delimiter of text or bytes, not ${shown(delimiter)}`);
  }
  if (delimiter.length === 0) throw new RangeError('delimited() takes a delimiter of at least one byte');
  return typeof delimiter === 'string' ? Buffer.from(delimiter) : Buffer.from(delimiter);
}

class DelimitedCodec extends FramedCodec<Buffer, Uint8Array | string> {
  readonly #delimiter: Buffer;
  readonly #maxLength: number;
  readonly #mayLackDelimiter: boolean;

  constructor(delimiter: Buffer, { maxLength = FRAME_MAX_LENGTH, requireDelimiter = false }: DelimitedOptions) {
    super();
    requireLength('delimited', 'maxLength', maxLength);
    requireBoolean('delimited', 'requireDelimiter', requireDelimiter);
    this.#delimiter = delimiter;
    this.#maxLength = maxLength;
    this.#mayLackDelimiter = !requireDelimiter;
  }

  decoder(): Decoder<Buffer> {
    return new DelimitedDecoder(this.#delimiter, this.#maxLength, this.#mayLackDelimiter);
  }

  encode(message: Uint8Array | string, output: ByteSink): void {
    const delimiter = this.#delimiter;
    const size = typeof message === 'string' ? Buffer.byteLength(message) : message.length;
    const frame = Buffer.allocUnsafe(size + delimiter.length);
    if (typeof message === 'string') frame.write(message);
    else frame.set(message);
    frame.set(delimiter, size);
    // The end of a frame and the delimiter behind it can together make a delimiter that begins earlier.
    if (frame.indexOf(delimiter) !== size) {
      throw new InvalidMessageError([
        { path: [], message: 'a frame may not contain its delimiter, which is sent behind it' },
      ]);
    }
    output.write(frame);
  }
}

class DelimitedDecoder implements Decoder<Buffer> {
  readonly #size: number;
  readonly #search: DelimiterSearch;
  readonly #mayLackDelimiter: boolean;

  constructor(delimiter: Buffer, maxLength: number, mayLackDelimiter: boolean) {
    this.#size = delimiter.length;
    this.#search = new DelimiterSearch(delimiter, maxLength);
    this.#mayLackDelimiter = mayLackDelimiter;
  }

  decode(input: ByteQueue): Buffer | undefined {
    const end = this.#search.find(input);
    if (end === -1) return undefined;
    const frame = input.take(end);
    input.skip(this.#size);
    return frame;
  }

  end(input: ByteQueue): Buffer {
    return input.take(this.#search.last(input, this.#mayLackDelimiter));
  }
}
