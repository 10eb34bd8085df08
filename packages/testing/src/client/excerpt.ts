// How bytes are shown in an error message: readable, and never more than a few lines.

import { isUtf8 } from 'node:buffer';

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

const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '"': '\\"', '\\': '\\\\' };

/** What is printed as it is, a character at a time; ASCII where the bytes are no UTF-8. */
const PRINTABLE_UTF8 = /^[^\p{C}\p{Zl}\p{Zp}]$/u;
const PRINTABLE_ASCII = /^[ -~]$/;

/** Bytes as a quoted string in which each byte that cannot be printed stands in hex, such as `"OK\r\n\x00\xff"`. Cut to a bound. */
export function printed(bytes: Buffer): string {
  const shown = bytes.subarray(0, SHOWN_TEXT_BYTES);
  const encoding = isUtf8(shown) ? 'utf8' : 'latin1';
  const printable = encoding === 'utf8' ? PRINTABLE_UTF8 : PRINTABLE_ASCII;
  let text = '';
  for (const character of shown.toString(encoding)) {
    text += ESCAPES[character] ?? (printable.test(character) ? character : inHex(Buffer.from(character, encoding)));
  }
  return `"${text}"${bytes.length > SHOWN_TEXT_BYTES ? '…' : ''}`;
}

function inHex(bytes: Buffer): string {
  return bytes.toString('hex').replace(/../g, '\\x$&');
}
