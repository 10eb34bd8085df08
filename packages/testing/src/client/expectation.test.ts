import { describe, expect, it } from 'vitest';
import { byteCount, exactBytes, exactText, lineOfText, pattern } from './expectation.js';

describe('expectations on bytes', () => {
  it('waits for a count and takes no byte more', () => {
    expect(byteCount(3).match(Buffer.from('ab'))).toBe('more');
    expect(byteCount(3).match(Buffer.from('abcd'))).toEqual({ value: Buffer.from('abc'), length: 3 });
  });

  it('waits for exact bytes as long as their beginning fits', () => {
    expect(exactBytes(Buffer.from('abc')).match(Buffer.from('ab'))).toBe('more');
    expect(exactBytes(Buffer.from('abc')).match(Buffer.from('abcd'))).toMatchObject({ length: 3 });
  });

  it('tells the first byte that rules exact bytes out', () => {
    expect(exactBytes(Buffer.from('abc')).match(Buffer.from('aX'))).toEqual({ mismatchAt: 1 });
    expect(exactText('abc').match(Buffer.from('abXd'))).toEqual({ mismatchAt: 2 });
  });

  it('tells where exact bytes come, if only later', () => {
    expect(exactText('one\n').match(Buffer.from('two\none\n'))).toEqual({ mismatchAt: 0, laterAt: 4 });
    expect(exactText('\n').match(Buffer.from('two\n'))).toEqual({ mismatchAt: 0 });
  });

  it('takes all up to the end of a pattern, counted in bytes', () => {
    expect(pattern(/ü(\d)/).match(Buffer.from('äü7rest'))).toMatchObject({ length: 5 });
    const found = pattern(/ü(\d)/).match(Buffer.from('äü7rest'));
    expect(found !== 'more' && 'value' in found && found.value[1]).toBe('7');
  });

  it('finds a pattern in bytes that are not UTF-8', () => {
    expect(pattern(/b/).match(Buffer.from([0xff, 0xfe, 0x62, 0x63]))).toMatchObject({ length: 3 });
  });

  it('leaves a character of which only a part has arrived', () => {
    const euro = Buffer.from('a€');
    expect(pattern(/a./).match(euro.subarray(0, 2))).toBe('more');
    expect(pattern(/a./).match(euro)).toMatchObject({ length: 4 });
  });

  it('gives the same answer twice for a global pattern', () => {
    const expectation = pattern(/a/g);
    expect(expectation.match(Buffer.from('a'))).toMatchObject({ length: 1 });
    expect(expectation.match(Buffer.from('a'))).toMatchObject({ length: 1 });
  });

  it('gives a line without its end', () => {
    expect(lineOfText().match(Buffer.from('one'))).toBe('more');
    expect(lineOfText().match(Buffer.from('one\r\ntwo'))).toEqual({ value: 'one', length: 5 });
    expect(lineOfText().match(Buffer.from('\n'))).toEqual({ value: '', length: 1 });
  });
});
