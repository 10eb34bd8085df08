import { FrameTooLongError, InvalidMessageError } from '../errors.js';
import type { ByteQueue } from './byte-queue.js';
import type { ByteSink, Decoder } from './codec.js';
import { requireBoolean, requireLength, requireOneOf, requireOptions, shown } from './codec-options.js';
import { DelimiterSearch } from './delimiter-search.js';
import { FramedCodec } from './framed-codec.js';

const LINE_MAX_LENGTH = 65_536;

/**
 * How many bytes are turned into text at a time. One call into the runtime for many short lines is what makes them cheap; a line is a
 * slice of that text and keeps the whole of it in memory, so it may not be much.
 */
const WINDOW = 1_024;

const CR = 13;

/** How lines are written as bytes. ASCII is the same in both. Others are left out, since there a delimiter may lie across characters. */
export type LineEncoding = 'utf8' | 'latin1';

export interface LinesOptions {
  /** Default: `'utf8'`; what is not valid in it becomes U+FFFD. */
  readonly encoding?: LineEncoding;
  /** The longest line that a client may send, in bytes and without its delimiter. Default: 65 536. */
  readonly maxLength?: number;
  /** What ends a line, exactly. Default: LF, with or without a CR before it; `'\n'` is sent. */
  readonly delimiter?: string;
  /**
   * Whether a last line without a delimiter is an `UnexpectedEndError`. Set it where half a command would do harm.
   * Default: `false`, it is a line as the others.
   */
  readonly requireDelimiter?: boolean;
}

/**
 * Lines of text, without their ends.
 *
 * A line ends with LF, and a CR before it is dropped; what is sent ends with LF. With `delimiter` both are exactly that. A line to be
 * sent may not contain the delimiter: one message never becomes two. Bytes are sent as they are, with nothing behind them, for
 * protocols in which a line announces a counted block.
 *
 * The decoder throws a `FrameTooLongError` for a line longer than `maxLength`, `encode` an `InvalidMessageError` for a text that is
 * no line.
 *
 * @example
 * ```ts
 * import { Connection, lines, OnData, Reagent } from '@reagent/core';
 *
 * @Reagent({ port: 2525, codec: lines({ delimiter: '\r\n', maxLength: 512 }) })
 * class Greeter {
 *   @OnData()
 *   greet(conn: Connection<string>, name: string) {
 *     conn.send(`hello ${name}`);
 *   }
 * }
 * ```
 */
export function lines(options: LinesOptions = {}): FramedCodec<string, string | Uint8Array, string> {
  requireOptions('lines', options, ['encoding', 'maxLength', 'delimiter', 'requireDelimiter']);
  return new LinesCodec(options);
}

class LinesCodec extends FramedCodec<string, string | Uint8Array, string> {
  readonly #encoding: LineEncoding;
  readonly #maxLength: number;
  readonly #mayLackDelimiter: boolean;
  readonly #delimiter: string;
  readonly #delimiterBytes: Buffer;
  readonly #dropsCr: boolean;

  constructor({ encoding = 'utf8', maxLength = LINE_MAX_LENGTH, delimiter, requireDelimiter = false }: LinesOptions) {
    super();
    requireOneOf('lines', 'encoding', encoding, ['utf8', 'latin1']);
    requireLength('lines', 'maxLength', maxLength);
    requireBoolean('lines', 'requireDelimiter', requireDelimiter);
    if (delimiter !== undefined) requireDelimiterText(delimiter, encoding);
    this.#encoding = encoding;
    this.#maxLength = maxLength;
    this.#mayLackDelimiter = !requireDelimiter;
    this.#dropsCr = delimiter === undefined;
    this.#delimiter = delimiter ?? '\n';
    this.#delimiterBytes = Buffer.from(this.#delimiter, encoding);
  }

  decoder(): Decoder<string> {
    return new LineDecoder(
      this.#encoding,
      this.#maxLength,
      this.#mayLackDelimiter,
      this.#delimiter,
      this.#delimiterBytes,
      this.#dropsCr,
    );
  }

  /** Hot path. */
  encode(line: string | Uint8Array, output: ByteSink): void {
    if (typeof line !== 'string') {
      if (!(line instanceof Uint8Array))
        throw new TypeError(`lines() sends text, or bytes as they are, not ${shown(line)}`);
      output.write(line);
      return;
    }
    const delimiter = this.#delimiter;
    // The end of a line and the delimiter behind it can together make a delimiter that begins earlier.
    const isCut =
      delimiter.length === 1 ? line.includes(delimiter) : `${line}${delimiter}`.indexOf(delimiter) !== line.length;
    if (isCut)
      throw notSendable(`a line may not contain its delimiter ${JSON.stringify(delimiter)}, which is sent behind it`);
    if (this.#encoding === 'utf8') output.write(line + delimiter);
    else output.write(this.#latin1(line + delimiter));
  }

  /** One byte a character. Others would be cut to their lowest byte, which may be that of a delimiter. */
  #latin1(text: string): Buffer {
    for (let i = 0; i < text.length; i++) {
      if (text.charCodeAt(i) > 0xff) throw notSendable(`${JSON.stringify(text[i])} does not exist in latin1`);
    }
    return Buffer.from(text, 'latin1');
  }
}

function requireDelimiterText(delimiter: unknown, encoding: LineEncoding): void {
  if (typeof delimiter !== 'string') throw new TypeError(`lines({ delimiter }) takes text, not ${shown(delimiter)}`);
  if (delimiter === '') throw new RangeError('lines({ delimiter }) takes text of at least one character');
  if (Buffer.from(delimiter, encoding).toString(encoding) === delimiter) return;
  throw new RangeError(`lines({ delimiter }) takes text that exists in ${encoding}, not ${shown(delimiter)}`);
}

function notSendable(message: string): InvalidMessageError {
  return new InvalidMessageError([{ path: [], message }]);
}

class LineDecoder implements Decoder<string> {
  readonly #encoding: LineEncoding;
  readonly #maxLength: number;
  readonly #mayLackDelimiter: boolean;
  readonly #delimiter: string;
  readonly #delimiterLength: number;
  readonly #dropsCr: boolean;
  readonly #search: DelimiterSearch;
  /** Whether the delimiter's bytes are never part of something else, so that it is the same in bytes and in text. */
  readonly #hasWindows: boolean;
  /** The beginning of the input as text. */
  #window = '';
  /** Whether each character of the window is one byte. */
  #isPlain = false;
  /** Where in the window the next line begins. */
  #index = 0;
  /** The input's position that `#index` stands for. The window is void when something else has taken bytes. */
  #position = -1;

  constructor(
    encoding: LineEncoding,
    maxLength: number,
    mayLackDelimiter: boolean,
    delimiter: string,
    delimiterBytes: Buffer,
    dropsCr: boolean,
  ) {
    this.#encoding = encoding;
    this.#maxLength = maxLength;
    this.#mayLackDelimiter = mayLackDelimiter;
    this.#delimiter = delimiter;
    this.#delimiterLength = delimiterBytes.length;
    this.#dropsCr = dropsCr;
    this.#search = new DelimiterSearch(delimiterBytes, maxLength, dropsCr ? 1 : 0);
    this.#hasWindows = isAscii(delimiter);
  }

  /** Hot path. */
  decode(input: ByteQueue): string | undefined {
    const { position } = input;
    if (position === this.#position || this.#open(input, position)) {
      const line = this.#fromWindow(input);
      if (line !== undefined) return line;
      // The window may end inside the line; then the next begins with it.
      if (this.#index > 0 && this.#open(input, position)) {
        const next = this.#fromWindow(input);
        if (next !== undefined) return next;
      }
      this.#close();
    }
    return this.#fromBytes(input);
  }

  end(input: ByteQueue): string {
    const length = this.#search.last(input, this.#mayLackDelimiter);
    const isCrLast = this.#dropsCr && input.at(length - 1) === CR;
    if (!isCrLast && length > this.#maxLength) throw new FrameTooLongError(this.#maxLength);
    const line = input.takeText(isCrLast ? length - 1 : length, this.#encoding);
    input.skip(input.length);
    return line;
  }

  /** Opens a window at the front of the input; `false` if the next line is known not to end in it. */
  #open(input: ByteQueue, position: number): boolean {
    if (!this.#hasWindows || this.#search.isUnderWay(input)) return false;
    const size = Math.min(WINDOW, input.contiguous);
    this.#window = input.peekText(size, this.#encoding);
    // Bytes that are no character are one U+FFFD or less each, so there are never more characters than bytes.
    this.#isPlain = this.#window.length === size;
    this.#index = 0;
    this.#position = position;
    return true;
  }

  #close(): void {
    this.#window = '';
    this.#position = -1;
  }

  /** Hot path. */
  #fromWindow(input: ByteQueue): string | undefined {
    const window = this.#window;
    const start = this.#index;
    const end = window.indexOf(this.#delimiter, start);
    if (end === -1) return undefined;
    const contentEnd = this.#dropsCr && end > start && window.charCodeAt(end - 1) === CR ? end - 1 : end;
    const cut = end - contentEnd;
    const length = this.#isPlain ? end - start : this.#search.find(input);
    if (length - cut > this.#maxLength) throw new FrameTooLongError(this.#maxLength);
    const size = length + this.#delimiterLength;
    input.skip(size);
    this.#index = end + this.#delimiterLength;
    if (this.#index === window.length) this.#close();
    else this.#position += size;
    return window.slice(start, contentEnd);
  }

  #fromBytes(input: ByteQueue): string | undefined {
    const end = this.#search.find(input);
    if (end === -1) return undefined;
    const isCrLast = this.#dropsCr && end > 0 && input.at(end - 1) === CR;
    const length = isCrLast ? end - 1 : end;
    if (length > this.#maxLength) throw new FrameTooLongError(this.#maxLength);
    const line = input.takeText(length, this.#encoding);
    input.skip(end - length + this.#delimiterLength);
    return line;
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}
