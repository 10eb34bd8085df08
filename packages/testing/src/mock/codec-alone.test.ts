import { fixed, InvalidMessageError, json, lines, UnexpectedEndError } from '@reagent/core';
import { expect, it } from 'vitest';
import { everySplit } from '../hostile/every-split.js';
import { decodeChunks, encodeMessages } from './codec-alone.js';

it('decodes the same in whatever pieces it comes', async () => {
  await everySplit('one\r\ntwö\nthree', ({ chunks }) => {
    expect(decodeChunks(lines(), chunks)).toEqual(['one', 'twö', 'three']);
  });
});

it('throws what the codec throws', () => {
  expect(() => decodeChunks(fixed(3), ['ab', 'cd'])).toThrow(UnexpectedEndError);
  expect(() => decodeChunks(lines().pipe(json()), ['{'])).toThrow(InvalidMessageError);
});

it('takes text and bytes, and leaves them as they are', () => {
  const chunk = Buffer.from('ab');
  expect(decodeChunks(lines(), [chunk, 'c\n', chunk])).toEqual(['abc', 'ab']);
  expect(String(chunk)).toBe('ab');
});

it('gives the bytes of messages', () => {
  expect(encodeMessages(lines(), 'one', 'two').toString()).toBe('one\ntwo\n');
  expect(() => encodeMessages(lines(), 'one\ntwo')).toThrow(InvalidMessageError);
});
