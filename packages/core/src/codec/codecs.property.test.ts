// What holds for every codec, whatever the messages, wherever the stream is cut and whatever a client sends.

import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutAt, decodeAll, encodeAll } from '../../test/support/codec-driver.js';
import { ReagentError } from '../errors.js';
import type { Codec } from './codec.js';
import { delimited } from './delimited.js';
import { fixed } from './fixed.js';
import { json } from './json.js';
import { lengthPrefixed } from './length-prefixed.js';
import { lines } from './lines.js';
import { text } from './text.js';

/** A codec, messages for it, and the most bytes that it may let wait. */
interface Case {
  readonly name: string;
  readonly codec: Codec<unknown, unknown>;
  readonly messages: fc.Arbitrary<unknown>;
  readonly mostWaiting: number;
}

const MAX_LENGTH = 5_000;
const unicode = fc.string({ unit: 'binary', maxLength: 400 });
const binary = fc.uint8Array({ maxLength: 1_200 }).map((data) => Buffer.from(data));
const without = (delimiter: string) => (value: string | Buffer) =>
  typeof value === 'string'
    ? (value + delimiter).indexOf(delimiter) === value.length
    : Buffer.concat([value, Buffer.from(delimiter)]).indexOf(delimiter) === value.length;
/** Half of a pair of surrogates has no UTF-8. */
const wellFormed = unicode.filter((value) => Buffer.from(value).toString() === value);
const jsonValue = fc
  .jsonValue({ maxDepth: 4 })
  .filter((value) => value !== null && !JSON.stringify(value).includes('__proto__'))
  // JSON has no -0.
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown);

function of<In, Out>(
  name: string,
  codec: Codec<In, Out>,
  messages: fc.Arbitrary<Out>,
  mostWaiting = MAX_LENGTH + 16,
): Case {
  return { name, codec: codec as Codec<unknown, unknown>, messages, mostWaiting };
}

const maxLength = MAX_LENGTH;
const cases: Case[] = [
  of(
    'lines',
    lines({ maxLength }),
    wellFormed.filter((line) => !line.includes('\n') && !line.endsWith('\r')),
  ),
  of('lines with CRLF', lines({ maxLength, delimiter: '\r\n' }), wellFormed.filter(without('\r\n'))),
  of(
    'lines with a long delimiter',
    lines({ maxLength, delimiter: 'abab' }),
    fc.string({ unit: fc.constantFrom('a', 'b', 'c') }).filter(without('abab')),
  ),
  of(
    'lines in Latin-1',
    lines({ maxLength, encoding: 'latin1' }),
    binary.map((data) => data.toString('latin1')).filter((line) => !line.includes('\n') && !line.endsWith('\r')),
  ),
  of('delimited', delimited('\0', { maxLength }), binary.filter(without('\0'))),
  of(
    'delimited by several bytes',
    delimited('\0\0\x01', { maxLength }),
    fc
      .array(fc.nat(2))
      .map((list) => Buffer.from(list))
      .filter(without('\0\0\x01')),
  ),
  ...([1, 2, 3, 4, 'varint'] as const).flatMap((bytes) => {
    const messages = bytes === 1 ? fc.uint8Array({ maxLength: 200 }).map((data) => Buffer.from(data)) : binary;
    return [
      of(`lengthPrefixed ${bytes}`, lengthPrefixed({ bytes, maxLength }), messages),
      of(
        `lengthPrefixed ${bytes}, with everything`,
        lengthPrefixed({ bytes, maxLength, includesHeader: true, offset: 3, adjustment: -1 }),
        messages.filter(({ length }) => length >= 3),
      ),
    ];
  }),
  of('lengthPrefixed, little endian', lengthPrefixed({ bytes: 2, endian: 'little', maxLength }), binary),
  of(
    'fixed',
    fixed(7),
    fc.uint8Array({ minLength: 7, maxLength: 7 }).map((data) => Buffer.from(data)),
    7,
  ),
  of(
    'lines of JSON',
    lines({ maxLength }).pipe(json()),
    jsonValue.filter((value) => JSON.stringify(value).length < 1_500),
  ),
  of(
    'prefixed JSON',
    lengthPrefixed({ bytes: 4, maxLength }).pipe(json()),
    jsonValue.filter((value) => JSON.stringify(value).length < 1_500),
  ),
  of('prefixed text', lengthPrefixed({ bytes: 'varint', maxLength }).pipe(text()), wellFormed),
];

describe.each(cases)('$name', ({ codec, messages, mostWaiting }) => {
  it('gives what was sent, wherever the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(messages, { maxLength: 30 }), fc.array(fc.nat(4_000)), (sent, cuts) => {
        const decoded = decodeAll(codec, cutAt(encodeAll(codec, sent), cuts));
        expect(decoded.error).toBeUndefined();
        expect(decoded.messages).toEqual(sent);
      }),
    );
  });

  it('answers any bytes with messages or an error of its own, the same wherever they are cut, and never grows', () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.constantFrom(0, 1, 10, 13, 34, 91, 97, 123, 0x7f, 0x80, 0xff)).map((list) => Uint8Array.from(list)),
    );
    const stream = fc
      .array(
        fc.oneof(
          noise,
          messages.map((message) => encodeAll(codec, [message])),
          fc.integer({ min: 1, max: 6_000 }).map((size) => new Uint8Array(size).fill(0x31)),
        ),
      )
      .map((pieces) => Buffer.concat(pieces));
    fc.assert(
      fc.property(stream, fc.array(fc.nat(10_000)), (data, cuts) => {
        const whole = decodeAll(codec, [data]);
        const inPieces = decodeAll(codec, cutAt(data, cuts));
        expect(isDeepStrictEqual(inPieces.messages, whole.messages)).toBe(true);
        expect(inPieces.error).toEqual(whole.error);
        if (whole.error !== undefined) expect(whole.error).toBeInstanceOf(ReagentError);
        expect(Math.max(whole.mostWaiting, inPieces.mostWaiting)).toBeLessThanOrEqual(mostWaiting);
      }),
      { numRuns: 100 },
    );
  });
});
