import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { joinPieces, type Piece, PieceQueue } from './pieces.js';

const bytesOf = (pieces: Piece | readonly Piece[]): Buffer =>
  Buffer.concat((Array.isArray(pieces) ? pieces : [pieces]).map((piece) => Buffer.from(piece as string)));

const piece: fc.Arbitrary<Piece> = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
  fc.integer({ min: 1, max: 9_000 }).map((count) => 'é€😀a'.repeat(count)),
  fc.uint8Array({ minLength: 1, maxLength: 50 }),
  fc.integer({ min: 1, max: 40_000 }).map((size) => Buffer.alloc(size, size)),
);

it('whatever is pushed comes out whole and in order, at most so many bytes at a time', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(piece, { maxLength: 5 }), { maxLength: 4 }),
      fc.integer({ min: 1_000, max: 50_000 }),
      (bursts, limit) => {
        const queue = new PieceQueue();
        const out: Buffer[] = [];
        const take = () => {
          const taken = bytesOf(joinPieces([queue.take(limit)].flat()));
          expect(taken.length).toBeGreaterThan(0);
          expect(taken.length).toBeLessThanOrEqual(limit);
          out.push(taken);
        };
        for (const burst of bursts) {
          for (const pushed of burst) queue.push(pushed);
          if (queue.length > 0) take();
        }
        while (queue.length > 0) take();
        expect(Buffer.concat(out).equals(bytesOf(bursts.flat()))).toBe(true);
      },
    ),
    { numRuns: 100 },
  );
});

it('is empty after being cleared', () => {
  const queue = new PieceQueue();
  queue.push('one');
  queue.push(Buffer.from('two'));
  queue.clear();
  expect(queue.length).toBe(0);
  queue.push('three');
  expect(queue.take(100)).toBe('three');
});

it('hands a large piece on as it is, and copies small ones together', () => {
  const large = Buffer.alloc(20_000, 'l');
  const joined = joinPieces([Buffer.from('a'), 'b', large, Buffer.from('c'), 'd']);
  expect(joined.map((piece) => piece.length)).toEqual([2, 20_000, 2]);
  expect(joined[1]).toBe(large);
  expect(bytesOf(joined).equals(bytesOf([Buffer.from('ab'), large, Buffer.from('cd')]))).toBe(true);
});

it('joins texts as text', () => {
  expect(joinPieces(['one', 'two', 'three'])).toEqual(['onetwothree']);
});
