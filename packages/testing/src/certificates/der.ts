// The part of ASN.1's distinguished encoding (DER) that a certificate is written in.

/** A tag, the length of the content, the content. */
function value(tag: number, content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([tag]), lengthOf(content), content]);
}

function lengthOf({ length }: Uint8Array): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const digits = Buffer.from(evenHex(length), 'hex');
  return Buffer.from([0x80 | digits.length, ...digits]);
}

function evenHex(number: number): string {
  const digits = number.toString(16);
  return digits.length % 2 === 0 ? digits : `0${digits}`;
}

export function sequence(...values: readonly Uint8Array[]): Buffer {
  return value(0x30, Buffer.concat(values));
}

export function set(...values: readonly Uint8Array[]): Buffer {
  return value(0x31, Buffer.concat(values));
}

export function boolean(truth: boolean): Buffer {
  return value(0x01, Buffer.from([truth ? 0xff : 0x00]));
}

/** A number that is not negative, its most significant byte first. */
export function unsignedInteger(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first === -1 ? Buffer.from([0]) : bytes.subarray(first);
  // A set top bit would make it negative.
  return value(0x02, (digits[0] ?? 0) < 0x80 ? digits : Buffer.concat([Buffer.from([0]), digits]));
}

export function octetString(bytes: Uint8Array): Buffer {
  return value(0x04, bytes);
}

export function bitString(bytes: Uint8Array): Buffer {
  return value(0x03, Buffer.concat([Buffer.from([0]), bytes]));
}

/** Named bits: bit 0 is the first one. DER leaves out zeros at the end. */
export function bits(...positions: readonly number[]): Buffer {
  const last = Math.max(...positions);
  const bytes = Buffer.alloc(Math.floor(last / 8) + 1);
  for (const position of positions) bytes[position >> 3] = (bytes[position >> 3] ?? 0) | (0x80 >> (position % 8));
  return value(0x03, Buffer.concat([Buffer.from([7 - (last % 8)]), bytes]));
}

/** An object identifier in dotted notation. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return value(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(number: number): number[] {
  const digits = [number & 0x7f];
  for (let left = number >>> 7; left > 0; left >>>= 7) digits.unshift(0x80 | (left & 0x7f));
  return digits;
}

export function utf8String(text: string): Buffer {
  return value(0x0c, Buffer.from(text));
}

/** To the second, in the form that RFC 5280 asks for: two digits of the year until 2049, then four. */
export function time(date: Date): Buffer {
  const digits = `${date.toISOString().replace(/\D/g, '').slice(0, 14)}Z`;
  return date.getUTCFullYear() < 2050 ? value(0x17, Buffer.from(digits.slice(2))) : value(0x18, Buffer.from(digits));
}

/** A value under a tag of its context, instead of its own (`IMPLICIT`). */
export function implicit(tag: number, content: Uint8Array): Buffer {
  return value(0x80 | tag, content);
}

/** A value inside a tag of its context (`EXPLICIT`). */
export function explicit(tag: number, content: Uint8Array): Buffer {
  return value(0xa0 | tag, content);
}
