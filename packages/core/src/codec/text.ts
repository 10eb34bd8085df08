import { requireOneOf } from './codec-options.js';
import type { Payload } from './framed-codec.js';

const encodings = ['utf8', 'latin1', 'ascii', 'utf16le', 'base64', 'base64url', 'hex'] as const;

/** How text is written as the bytes of a frame. */
export type TextEncoding = (typeof encodings)[number];

/**
 * Frames of bytes as text. What is not valid in the encoding becomes U+FFFD.
 *
 * @example
 * ```ts
 * import { lengthPrefixed, text } from '@reagent/core';
 *
 * const codec = lengthPrefixed({ bytes: 2 }).pipe(text());
 * ```
 */
export function text(encoding: TextEncoding = 'utf8'): Payload<string, string, Buffer, Uint8Array | string> {
  requireOneOf('text', 'encoding', encoding, encodings);
  return {
    decode: (frame) => frame.toString(encoding),
    encode: (message) => {
      if (typeof message !== 'string') throw new TypeError(`text() sends text, not ${typeof message}`);
      return encoding === 'utf8' ? message : Buffer.from(message, encoding);
    },
  };
}
