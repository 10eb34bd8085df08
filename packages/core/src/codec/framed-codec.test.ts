import { describe, expect, it } from 'vitest';
import { decodeAll, encodeAll } from '../../test/support/codec-driver.js';
import { InvalidMessageError, UnexpectedEndError } from '../errors.js';
import type { ByteQueue } from './byte-queue.js';
import { delimited } from './delimited.js';
import { fixed } from './fixed.js';
import { FramedCodec, type Payload } from './framed-codec.js';
import { json } from './json.js';
import { lengthPrefixed } from './length-prefixed.js';
import { lines } from './lines.js';
import { text } from './text.js';

const input = (value: string) => [Buffer.from(value)];

describe('pipe()', () => {
  const words: Payload<string[], string[], string, string> = {
    decode: (line) => (line.startsWith('#') ? undefined : line.split(' ')),
    encode: (list) => list.join(' '),
  };

  it('puts a payload of one’s own on frames', () => {
    const codec = lines().pipe(words);
    expect(decodeAll(codec, input('a b\nc\n')).messages).toEqual([['a', 'b'], ['c']]);
    expect(encodeAll(codec, [['a', 'b'], ['c']]).toString()).toBe('a b\nc\n');
  });

  it('goes on with the next frame where the payload drops one', () => {
    expect(decodeAll(lines().pipe(words), input('#x\na\n#y\n#z\nb\n#')).messages).toEqual([['a'], ['b']]);
  });

  it('refuses null as a message', () => {
    const codec = lines().pipe({ decode: () => null, encode: String });
    expect(decodeAll(codec, input('a\n')).error).toBeInstanceOf(InvalidMessageError);
  });

  it('passes on what the payload throws', () => {
    const thrown = new Error('no');
    const codec = lines().pipe({
      decode: (): string => {
        throw thrown;
      },
      encode: String,
    });
    expect(decodeAll(codec, input('a\n')).error).toBe(thrown);
    expect(decodeAll(codec, input('a')).error).toBe(thrown);
  });

  it('pipes on', () => {
    const codec = lengthPrefixed({ bytes: 1 })
      .pipe(text())
      .pipe({ decode: (line) => line.toUpperCase(), encode: (line: string) => line.toLowerCase() });
    expect(encodeAll(codec, ['AB'])).toEqual(Buffer.from('\x02ab'));
    expect(decodeAll(codec, input('\x02ab')).messages).toEqual(['AB']);
  });

  it('treats the end of the stream as the frames do', () => {
    expect(decodeAll(lines().pipe(json()), input('1')).messages).toEqual([1]);
    expect(decodeAll(delimited('\0').pipe(text()), input('a')).messages).toEqual(['a']);
    expect(decodeAll(fixed(2).pipe(text()), input('a')).error).toEqual(new UnexpectedEndError(1));
  });

  it.each([
    [undefined, 'pipe() takes a payload, an object with decode() and encode()'],
    [json, 'pipe() takes a payload, an object with decode() and encode(); call it: json()'],
    [{ decode: () => 1 }, 'pipe() takes a payload, an object with decode() and encode()'],
  ])('refuses %s', (payload, message) => {
    expect(() => lines().pipe(payload as never)).toThrow(new TypeError(message));
  });

  it('comes with a codec that extends FramedCodec', () => {
    class Pairs extends FramedCodec<Buffer> {
      decoder() {
        return { decode: (queue: ByteQueue) => (queue.length < 2 ? undefined : queue.take(2)) };
      }

      encode(message: Buffer, output: { write(data: Uint8Array): void }) {
        output.write(message);
      }
    }
    expect(decodeAll(new Pairs().pipe(text('hex') as never), input('abcd')).messages).toEqual(['6162', '6364']);
  });
});

describe('text()', () => {
  it.each([
    ['utf8', 'é€', 'c3a9e282ac'],
    ['latin1', 'é', 'e9'],
    ['utf16le', 'é', 'e900'],
    ['hex', '00ff', '00ff'],
    ['base64', 'AP8=', '00ff'],
    ['base64url', 'AP8', '00ff'],
  ] as const)('reads and writes %s', (encoding, message, bytes) => {
    const codec = lengthPrefixed({ bytes: 1 }).pipe(text(encoding));
    const encoded = encodeAll(codec, [message]);
    expect(encoded.subarray(1).toString('hex')).toBe(bytes);
    expect(decodeAll(codec, [encoded]).messages).toEqual([message]);
  });

  it('refuses an encoding that does not exist, and to send what is no text', () => {
    expect(() => text('utf-7' as never)).toThrow('text({ encoding }) takes "utf8", ');
    expect(() => encodeAll(fixed(1).pipe(text()), [1 as never])).toThrow(TypeError);
  });
});
