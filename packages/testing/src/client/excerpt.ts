// How bytes are shown in an error message: readable, and never more than a few lines.

const SHOWN_TEXT_BYTES = 256;
const SHOWN_HEX_BYTES = 64;
/** How much of what was right is shown before the first wrong byte. */
const BYTES_BEFORE = 24;

export function bytesInWords(count: number): string {
  return count === 1 ? '1 byte' : `${count} bytes`;
}

/** Bytes as a quoted string with escapes, cut to a bound. */
export function quoted(bytes: Buffer, from = 0): string {
  const shown = JSON.stringify(bytes.toString('utf8', from, from + SHOWN_TEXT_BYTES));
  return `${from > 0 ? '…' : ''}${shown}${bytes.length > from + SHOWN_TEXT_BYTES ? '…' : ''}`;
}

/** Two lines, text and hex; `at` is the byte of interest. */
export function excerpt(bytes: Buffer, at = 0): string[] {
  const from = Math.max(0, at - BYTES_BEFORE);
  const hex = bytes.toString('hex', from, from + SHOWN_HEX_BYTES).replace(/..(?=.)/g, '$& ');
  const cut = bytes.length > from + SHOWN_HEX_BYTES ? ' …' : '';
  return [`text ${quoted(bytes, from)}`, `hex  ${from > 0 ? '… ' : ''}${hex}${cut}`];
}
