import { describe, expect, it } from 'vitest';
import { decodeAll, encodeAll, everyCut } from '../../test/support/codec-driver.js';
import { FrameTooLongError, InvalidMessageError, UnexpectedEndError } from '../errors.js';
import { delimited } from './delimited.js';

const texts = (messages: readonly Buffer[]) => messages.map(String);

describe('delimited()', () => {
  it('cuts at the delimiter, wherever the input is cut', () => {
    const codec = delimited('END');
    for (const chunks of everyCut(Buffer.from('oneENDENEENDENDlast'))) {
      const { messages, error } = decodeAll(codec, chunks);
      expect([texts(messages), error]).toEqual([['one', 'ENE', '', 'last'], undefined]);
    }
  });

  it('takes bytes as a delimiter, and is not changed with them', () => {
    const delimiter = Buffer.from([0xff, 0]);
    const codec = delimited(delimiter);
    delimiter.fill(1);
    expect(decodeAll(codec, [Buffer.from([1, 0xff, 0xff, 0, 2, 0xff, 0])]).messages).toEqual([
      Buffer.from([1, 0xff]),
      Buffer.from([2]),
    ]);
  });

  it('refuses a last frame without a delimiter where one is required', () => {
    const { messages, error } = decodeAll(delimited('\0', { requireDelimiter: true }), [Buffer.from('a\0bc')]);
    expect([texts(messages), error]).toEqual([['a'], new UnexpectedEndError(2)]);
  });

  it('refuses a frame over maxLength wherever it is cut', () => {
    const codec = delimited('--', { maxLength: 3 });
    expect(texts(decodeAll(codec, [Buffer.from('abc--abc')]).messages)).toEqual(['abc', 'abc']);
    for (const input of ['abcd--', 'abcd', 'abc-x', 'abc-']) {
      for (const chunks of everyCut(Buffer.from(input))) {
        expect(decodeAll(codec, chunks)).toMatchObject({ messages: [], error: new FrameTooLongError(3) });
      }
    }
  });

  it('has 16 MiB as its default limit', () => {
    const frame = Buffer.alloc(16 * 1_024 * 1_024 + 1, 1);
    expect(decodeAll(delimited('\0'), [frame.subarray(1)]).messages[0]).toHaveLength(frame.length - 1);
    expect(decodeAll(delimited('\0'), [frame]).error).toEqual(new FrameTooLongError(frame.length - 1));
  });

  it('sends the delimiter behind text and bytes', () => {
    expect(encodeAll(delimited('\0'), ['é', Buffer.from('b'), ''])).toEqual(Buffer.from('é\0b\0\0'));
  });

  it('refuses to send a frame that its delimiter would cut', () => {
    expect(() => encodeAll(delimited('--'), ['a--b'])).toThrow(InvalidMessageError);
    expect(() => encodeAll(delimited('--'), ['a-'])).toThrow(InvalidMessageError);
  });

  it.each([
    [() => delimited(''), 'delimited() takes a delimiter of at least one byte'],
    [() => delimited(10 as never), 'delimited() takes a delimiter of text or bytes, not 10'],
    [
      () => delimited('x', { maxLength: -1 }),
      'delimited({ maxLength }) takes a whole number of bytes from 1 on, not -1',
    ],
    [
      () => delimited('x', { limit: 5 } as object),
      'delimited() has no option limit; it has maxLength, requireDelimiter',
    ],
  ])('refuses what is no delimiter and no option: %s', (make, message) => {
    expect(make).toThrow(message);
  });
});
