import { describe, expect, it } from 'vitest';
import { decodeAll, encodeAll, everyCut } from '../../test/support/codec-driver.js';
import { FrameTooLongError, InvalidMessageError, UnexpectedEndError } from '../errors.js';
import { type LengthPrefixedOptions, lengthPrefixed } from './length-prefixed.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const body = Buffer.from('HELLO, WORLD');
const rest = body.toString('hex');

describe('lengthPrefixed()', () => {
  const frames: [string, LengthPrefixedOptions, string, string][] = [
    ['one byte', { bytes: 1 }, `0c ${rest}`, rest],
    ['two bytes', { bytes: 2 }, `000c ${rest}`, rest],
    ['two bytes, little endian', { bytes: 2, endian: 'little' }, `0c00 ${rest}`, rest],
    ['three bytes', { bytes: 3 }, `00000c ${rest}`, rest],
    ['four bytes', { bytes: 4 }, `0000000c ${rest}`, rest],
    ['four bytes, little endian', { bytes: 4, endian: 'little' }, `0c000000 ${rest}`, rest],
    ['a varint', { bytes: 'varint' }, `0c ${rest}`, rest],
    ['the length left in', { bytes: 2, strip: 'none' }, `000c ${rest}`, `000c ${rest}`],
    ['a length that counts itself', { bytes: 2, includesHeader: true }, `000e ${rest}`, rest],
    [
      'a length that counts itself, left in',
      { bytes: 2, includesHeader: true, strip: 'none' },
      `000e ${rest}`,
      `000e ${rest}`,
    ],
    ['a varint that counts itself', { bytes: 'varint', includesHeader: true }, `0d ${rest}`, rest],
    ['bytes before the length', { bytes: 3, offset: 2 }, `cafe 00000c ${rest}`, `cafe ${rest}`],
    [
      'bytes before the length, all left in',
      { bytes: 3, offset: 2, strip: 'none' },
      `cafe 00000c ${rest}`,
      `cafe 00000c ${rest}`,
    ],
    ['bytes before the length, left out', { bytes: 3, offset: 2, strip: 'header' }, `0000 00000c ${rest}`, rest],
    ['bytes before a varint', { bytes: 'varint', offset: 1 }, `30 0c ${rest}`, `30 ${rest}`],
    [
      'a length that counts the bytes before it',
      { bytes: 4, offset: 1, includesHeader: true },
      `51 00000011 ${rest}`,
      `51 ${rest}`,
    ],
    [
      'bytes behind the length that it does not count',
      { bytes: 3, adjustment: 2 },
      `00000c cafe ${rest}`,
      `cafe ${rest}`,
    ],
    [
      'bytes on both sides of it',
      { bytes: 2, offset: 1, adjustment: 1, strip: 'header' },
      `00 000c fe ${rest}`,
      `fe ${rest}`,
    ],
    [
      'the whole length between bytes',
      { bytes: 2, offset: 1, adjustment: -3, strip: 'header' },
      `00 0010 fe ${rest}`,
      `fe ${rest}`,
    ],
    [
      'a length that counts itself and a flag that it does not',
      { bytes: 1, includesHeader: true, adjustment: 1 },
      `0d ff ${rest}`,
      `ff ${rest}`,
    ],
    ['nothing', { bytes: 4 }, '00000000', ''],
  ];

  it.each(frames)('decodes and encodes %s', (_name, options, frame, message) => {
    const codec = lengthPrefixed(options);
    const twice = Buffer.concat([hex(frame), hex(frame)]);
    for (const chunks of everyCut(twice)) {
      expect(decodeAll(codec, chunks)).toMatchObject({ messages: [hex(message), hex(message)], error: undefined });
    }
    expect(encodeAll(codec, [hex(message)]).toString('hex')).toBe(hex(frame).toString('hex'));
  });

  it.each([
    [127, '7f'],
    [128, '8001'],
    [16_383, 'ff7f'],
    [16_384, '808001'],
    [2_097_152, '80808001'],
  ])('writes %i as a varint of the fewest bytes', (length, header) => {
    const codec = lengthPrefixed({ bytes: 'varint' });
    const encoded = encodeAll(codec, [Buffer.alloc(length, 7)]);
    expect(encoded.subarray(0, header.length / 2).toString('hex')).toBe(header);
    expect(decodeAll(codec, [encoded]).messages[0]).toHaveLength(length);
  });

  it('reads a varint with more bytes than it needs, up to five', () => {
    const codec = lengthPrefixed({ bytes: 'varint' });
    expect(decodeAll(codec, [hex('8100 aa')]).messages).toEqual([hex('aa')]);
    expect(decodeAll(codec, [hex('8180808000 aa')]).messages).toEqual([hex('aa')]);
  });

  it.each(['ffffffffff00', 'ffffffffff', '8080808080', 'ffffffff1f'])('refuses the varint %s', (input) => {
    for (const chunks of everyCut(hex(input))) {
      expect(decodeAll(lengthPrefixed({ bytes: 'varint' }), chunks).error).toBeInstanceOf(InvalidMessageError);
    }
  });

  it('finds the smallest varint that counts itself', () => {
    const codec = lengthPrefixed({ bytes: 'varint', includesHeader: true });
    for (const length of [125, 126, 127, 128, 16_380, 16_381, 16_382, 16_383]) {
      expect(decodeAll(codec, [encodeAll(codec, [Buffer.alloc(length)])])).toMatchObject({
        messages: [{ length }],
        error: undefined,
      });
    }
  });

  it.each<[LengthPrefixedOptions, string]>([
    [{ bytes: 4 }, 'ffffffff'],
    [{ bytes: 4, endian: 'little' }, 'ffffffff'],
    [{ bytes: 4 }, '01000001'],
    [{ bytes: 'varint' }, 'ffffffff0f'],
    [{ bytes: 3, maxLength: 100, adjustment: 1 }, '000064'],
    [{ bytes: 1, maxLength: 3 }, '04'],
  ])('refuses a length over maxLength before anything is allocated for it: %j', (options, input) => {
    const before = process.memoryUsage().arrayBuffers;
    const { error } = decodeAll(lengthPrefixed(options), [hex(input)]);
    expect(error).toEqual(new FrameTooLongError(options.maxLength ?? 16 * 1_024 * 1_024));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_024 * 1_024);
  });

  it('allocates nothing for a length that is allowed, until the bytes are there', () => {
    const before = process.memoryUsage().arrayBuffers;
    const { error } = decodeAll(lengthPrefixed({ bytes: 4 }), [hex('01000000')]);
    expect(error).toEqual(new UnexpectedEndError(4));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_024 * 1_024);
  });

  it.each<[LengthPrefixedOptions, string]>([
    [{ bytes: 2, includesHeader: true }, '0001'],
    [{ bytes: 2, includesHeader: true, offset: 1 }, '000002'],
    [{ bytes: 1, adjustment: -2 }, '01'],
  ])('refuses a length that is less than what it has to count: %j', (options, input) => {
    expect(decodeAll(lengthPrefixed(options), [hex(input)]).error).toBeInstanceOf(InvalidMessageError);
  });

  it('refuses a stream that ends inside a frame, its header included', () => {
    expect(decodeAll(lengthPrefixed({ bytes: 2 }), [hex('0002 aa')]).error).toEqual(new UnexpectedEndError(3));
    expect(decodeAll(lengthPrefixed({ bytes: 2 }), [hex('00')]).error).toEqual(new UnexpectedEndError(1));
  });

  it('sends text as UTF-8, and large messages without copying them', () => {
    expect(encodeAll(lengthPrefixed({ bytes: 1 }), ['€'])).toEqual(hex('03 e282ac'));
    const pieces: unknown[] = [];
    const large = Buffer.alloc(100_000);
    lengthPrefixed({ bytes: 4 }).encode(large, { write: (piece) => pieces.push(piece) });
    expect(pieces).toEqual([hex('000186a0'), large]);
    expect(pieces[1]).toBe(large);
  });

  it('puts the length between the bytes before it and a large body', () => {
    const codec = lengthPrefixed({ bytes: 4, offset: 1 });
    const message = Buffer.alloc(10_001, 7);
    const encoded = encodeAll(codec, [message]);
    expect(encoded.subarray(0, 6)).toEqual(hex('07 00002710 07'));
    expect(decodeAll(codec, [encoded]).messages).toEqual([message]);
  });

  it('writes nothing of a message whose length cannot be written', () => {
    const pieces: unknown[] = [];
    const output = { write: (piece: unknown) => pieces.push(piece) };
    expect(() => lengthPrefixed({ bytes: 1 }).encode(Buffer.alloc(256), output)).toThrow(
      new InvalidMessageError([{ path: [], message: 'its length would be 256, which cannot be written in 1 bytes' }]),
    );
    expect(() => lengthPrefixed({ bytes: 2 }).encode(Buffer.alloc(65_536), output)).toThrow(InvalidMessageError);
    expect(() => lengthPrefixed({ bytes: 1, adjustment: 1 }).encode('', output)).toThrow(InvalidMessageError);
    expect(() => lengthPrefixed({ bytes: 1, offset: 2 }).encode('x', output)).toThrow(InvalidMessageError);
    expect(() => lengthPrefixed({ bytes: 2, strip: 'none' }).encode('x', output)).toThrow(InvalidMessageError);
    expect(pieces).toEqual([]);
  });

  it('leaves a message that is sent as it is', () => {
    const message = hex('0000 aa');
    encodeAll(lengthPrefixed({ bytes: 2, strip: 'none' }), [message]);
    encodeAll(lengthPrefixed({ bytes: 2, offset: 1 }), [message]);
    expect(message).toEqual(hex('0000 aa'));
  });

  it.each([
    [{}, 'lengthPrefixed({ bytes }) takes 1, 2, 3, 4, "varint", not undefined'],
    [{ bytes: 8 }, 'lengthPrefixed({ bytes }) takes 1, 2, 3, 4, "varint", not 8'],
    [undefined, 'lengthPrefixed() takes options such as { bytes }, not undefined'],
    [4, 'lengthPrefixed() takes options such as { bytes }, not 4'],
    [{ bytes: 4, endian: 'LE' }, 'lengthPrefixed({ endian }) takes "big", "little", not "LE"'],
    [
      { bytes: 4, maxLength: Infinity },
      'lengthPrefixed({ maxLength }) takes a whole number of bytes from 1 on, not Infinity',
    ],
    [{ bytes: 4, offset: -1 }, 'lengthPrefixed({ offset }) takes a whole number of bytes from 0 on, not -1'],
    [{ bytes: 4, adjustment: 0.5 }, 'lengthPrefixed({ adjustment }) takes a whole number of bytes, not 0.5'],
    [{ bytes: 4, strip: 'all' }, 'lengthPrefixed({ strip }) takes "length", "header", "none", not "all"'],
    [
      { bytes: 4, includesHeaders: true },
      'lengthPrefixed() has no option includesHeaders; did you mean includesHeader?',
    ],
    [{ bytes: 'varint', endian: 'big' }, "lengthPrefixed({ bytes: 'varint', endian }) cannot be"],
    [{ bytes: 'varint', strip: 'none' }, "lengthPrefixed({ bytes: 'varint', strip: 'none' }) cannot be"],
  ])('refuses the options %j', (options, message) => {
    expect(() => lengthPrefixed(options as LengthPrefixedOptions)).toThrow(message);
  });
});
