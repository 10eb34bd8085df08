import { bytesInWords, quoted } from './excerpt.js';

/** What a test waits for, tried on the bytes that have arrived and were not taken yet. */
export interface Expectation<T> {
  /** Completes the sentence "expected ...". */
  readonly words: string;

  /**
   * The value and how many bytes it takes; `'more'` while it may still come; or, when what arrived rules it out, the
   * place of the first byte that does.
   */
  match(pending: Buffer): Match<T> | 'more' | Mismatch;
}

export interface Match<T> {
  readonly value: T;
  readonly length: number;
}

export interface Mismatch {
  readonly mismatchAt: number;
  /** Where what was expected is all the same, behind what was not; `undefined` if it is not there, so far. */
  readonly laterAt?: number;
}

export function anyBytes(): Expectation<Buffer> {
  return {
    words: 'some bytes',
    match: (pending) => (pending.length === 0 ? 'more' : { value: Buffer.from(pending), length: pending.length }),
  };
}

export function byteCount(count: number): Expectation<Buffer> {
  return {
    words: bytesInWords(count),
    match: (pending) =>
      pending.length < count ? 'more' : { value: Buffer.from(pending.subarray(0, count)), length: count },
  };
}

/** The next bytes are these and no others. */
export function exactBytes(bytes: Buffer): Expectation<Buffer> {
  return {
    words: `the next bytes to be ${quoted(bytes)}`,
    match: (pending) => {
      const compared = Math.min(pending.length, bytes.length);
      if (pending.compare(bytes, 0, compared, 0, compared) !== 0) {
        // A single byte is found anywhere, and says nothing.
        const later = bytes.length > 1 ? pending.indexOf(bytes, 1) : -1;
        return { mismatchAt: firstDifference(pending, bytes), ...(later !== -1 && { laterAt: later }) };
      }
      return compared < bytes.length ? 'more' : { value: Buffer.from(bytes), length: bytes.length };
    },
  };
}

/** The next text is this and no other. */
export function exactText(text: string): Expectation<string> {
  const bytes = exactBytes(Buffer.from(text));
  return {
    words: bytes.words,
    match: (pending) => {
      const found = bytes.match(pending);
      return found === 'more' || 'mismatchAt' in found ? found : { value: text, length: found.length };
    },
  };
}

/** The text so far holds the pattern; everything up to its end is taken. */
export function pattern(expression: RegExp): Expectation<RegExpExecArray> {
  // A sticky or global expression would start where its last match ended.
  const search = new RegExp(expression.source, expression.flags.replace(/[gy]/g, ''));
  return {
    words: `text that matches ${expression}`,
    match: (pending) => {
      const { text, encoding } = decoded(pending);
      const found = search.exec(text);
      if (found === null) return 'more';
      return { value: found, length: Buffer.byteLength(text.slice(0, found.index + found[0].length), encoding) };
    },
  };
}

export function lineOfText(): Expectation<string> {
  return {
    words: 'a line of text',
    match: (pending) => {
      const end = pending.indexOf(0x0a);
      if (end === -1) return 'more';
      return { value: pending.toString('utf8', 0, end).replace(/\r$/, ''), length: end + 1 };
    },
  };
}

function firstDifference(left: Buffer, right: Buffer): number {
  let index = 0;
  while (left[index] === right[index]) index += 1;
  return index;
}

/** Text in which a position can be turned back into a byte offset: bytes that are not UTF-8 are read as latin1. */
function decoded(bytes: Buffer): { text: string; encoding: 'utf8' | 'latin1' } {
  try {
    // `stream` leaves out a character of which only the first bytes have arrived.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true });
    return { text, encoding: 'utf8' };
  } catch {
    // Not UTF-8: the fallback is the answer, not an error.
    return { text: bytes.toString('latin1'), encoding: 'latin1' };
  }
}
