import { expect, it } from 'vitest';
import { bitString, bits, boolean, objectIdentifier, octetString, sequence, time, unsignedInteger } from './der.js';

it.each<[string, Buffer, string]>([
  ['a number', unsignedInteger(Buffer.from([0x7f])), '02017f'],
  ['a number whose top bit is set, which is not negative', unsignedInteger(Buffer.from([0x80])), '02020080'],
  ['a number without its leading zeros', unsignedInteger(Buffer.from([0, 0, 1, 0])), '02020100'],
  ['zero', unsignedInteger(Buffer.from([0, 0])), '020100'],
  ['truth', boolean(true), '0101ff'],
  ['bits by their places', bits(0, 5, 6), '03020186'],
  ['bits beyond the first byte', bits(8), '0303070080'],
  ['whole bytes as bits', bitString(Buffer.from([0xab])), '030200ab'],
  ['an object identifier', objectIdentifier('1.2.840.10045.4.3.2'), '06082a8648ce3d040302'],
  ['a sequence', sequence(boolean(false), boolean(true)), '30060101000101ff'],
  ['a time until 2049', time(new Date('2049-12-31T23:59:59Z')), `170d${Buffer.from('491231235959Z').toString('hex')}`],
  ['a time from 2050', time(new Date('2050-01-01T00:00:00Z')), `180f${Buffer.from('20500101000000Z').toString('hex')}`],
])('writes %s', (_, written, expected) => {
  expect(written.toString('hex')).toBe(expected);
});

it.each([
  [127, '047f'],
  [128, '048180'],
  [256, '04820100'],
  [65_536, '0483010000'],
])('writes the length of %d bytes in as few as it takes', (length, expected) => {
  expect(octetString(Buffer.alloc(length)).toString('hex', 0, expected.length / 2)).toBe(expected);
});
