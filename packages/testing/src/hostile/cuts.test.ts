import { expect, it } from 'vitest';
import { cutPlaces, pieceLength } from './cuts.js';

it('cuts at every place where that is not too many', () => {
  expect(cutPlaces(5, 4)).toEqual([1, 2, 3, 4]);
  expect(cutPlaces(2, 4)).toEqual([1]);
  expect(cutPlaces(1, 4)).toEqual([]);
});

it('cuts a long input at its ends and evenly in between, each place once', () => {
  for (const length of [10, 100, 1_000, 12_345]) {
    for (const limit of [1, 2, 3, 4, 7, 8]) {
      const places = cutPlaces(length, limit);
      expect(places).toHaveLength(limit);
      expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
      expect(places.every((place) => place >= 1 && place < length)).toBe(true);
    }
  }
  expect(cutPlaces(1_000, 8)).toEqual([1, 2, 3, 251, 500, 749, 998, 999]);
});

it('takes the shortest pieces that need no more cuts', () => {
  expect(pieceLength(9, 8)).toBe(1);
  expect(pieceLength(10, 8)).toBe(2);
  expect(pieceLength(9, Infinity)).toBe(1);
});
