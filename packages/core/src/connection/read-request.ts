import type { RecvLengthOptions, RecvOptions, RecvUntilOptions } from './connection.js';

/** Default of `recv({ until, maxLength })`, in bytes. */
const UNTIL_MAX_LENGTH = 65_536;

/** What a `recv` asks for: the codec's next message, or bytes whatever the codec. */
export type ReadRequest =
  | { readonly kind: 'message' }
  | { readonly kind: 'length'; readonly length: number }
  | {
      readonly kind: 'until';
      readonly delimiter: Uint8Array;
      readonly maxLength: number;
      /** Bytes at the front known not to begin a delimiter, so that a byte is looked at once however slowly they come. */
      scanned: number;
    };

export const nextMessage: ReadRequest = { kind: 'message' };

/** The time limit that `recv` was given, in milliseconds; `undefined` for none. Throws a RangeError where it makes no sense. */
export function readTimeout(wanted: number | RecvOptions | undefined): number | undefined {
  const timeout = typeof wanted === 'object' ? wanted.timeout : undefined;
  if (timeout === undefined || timeout >= 0) return timeout;
  throw new RangeError(`recv({ timeout }) takes milliseconds from 0 on, or Infinity, not ${timeout}`);
}

/** What the argument of `recv` asks for. Throws a RangeError where it makes no sense. */
export function readRequest(
  wanted: number | RecvOptions | RecvLengthOptions | RecvUntilOptions | undefined,
): ReadRequest {
  if (wanted === undefined) return nextMessage;
  if (typeof wanted === 'number') return lengthRequest(wanted);
  if ('length' in wanted) return lengthRequest(wanted.length);
  if ('until' in wanted) return untilRequest(wanted);
  return nextMessage;
}

function lengthRequest(length: number): ReadRequest {
  if (Number.isSafeInteger(length) && length >= 0) return { kind: 'length', length };
  throw new RangeError(`recv() takes a whole number of bytes from 0 on, not ${length}`);
}

function untilRequest({ until, maxLength = UNTIL_MAX_LENGTH }: RecvUntilOptions): ReadRequest {
  const delimiter = typeof until === 'string' ? Buffer.from(until) : until;
  if (delimiter.length === 0) throw new RangeError('recv({ until }) takes a delimiter of at least one byte');
  return { kind: 'until', delimiter, maxLength, scanned: 0 };
}
