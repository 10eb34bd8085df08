import { describe, expect, it } from 'vitest';
import { decodeAll, encodeAll, everyCut } from '../../test/support/codec-driver.js';
import { InvalidMessageError, UnexpectedEndError } from '../errors.js';
import { fixed } from './fixed.js';

describe('fixed()', () => {
  it('cuts into frames of one length, wherever the input is cut', () => {
    for (const chunks of everyCut(Buffer.from('abcdef'))) {
      expect(decodeAll(fixed(3), chunks)).toMatchObject({
        messages: [Buffer.from('abc'), Buffer.from('def')],
        error: undefined,
      });
    }
  });

  it('refuses a stream that ends inside a frame', () => {
    expect(decodeAll(fixed(3), [Buffer.from('abcd')])).toMatchObject({
      messages: [Buffer.from('abc')],
      error: new UnexpectedEndError(1),
    });
  });

  it('sends frames of that length in bytes, and refuses others', () => {
    expect(encodeAll(fixed(2), ['é', Buffer.from('ab')])).toEqual(Buffer.from('éab'));
    expect(() => encodeAll(fixed(2), ['a'])).toThrow(
      new InvalidMessageError([{ path: [], message: 'a frame has 2 bytes, not 1' }]),
    );
    expect(() => encodeAll(fixed(2), ['éa'])).toThrow(InvalidMessageError);
  });

  it.each([0, -1, 1.5, Number.NaN, '3', undefined])('refuses a length of %s', (length) => {
    expect(() => fixed(length as number)).toThrow(/^fixed\(\) takes a whole number of bytes from 1 on, not /);
  });
});
