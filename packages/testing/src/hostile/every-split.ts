import { bytesInWords } from '../client/excerpt.js';
import { cutPlaces, pieceLength } from './cuts.js';
import { SocketEnds } from './socket-ends.js';
import { Split } from './split.js';
import { SplitError } from './split-error.js';

/** Places to cut at where the test does not say: each a connection, so as many as a moment allows. */
const DEFAULT_LIMIT = 256;

export interface EverySplitOptions {
  /**
   * The most places to cut at. Where the input has more, those near its ends are taken, and others spread evenly between them.
   * Default: 256. `Infinity` is for what costs little, such as a codec alone.
   */
  readonly limit?: number;
}

/**
 * Tries the same input in pieces, since a stream may come in any: first whole, then cut in two after each byte, and last byte by byte.
 *
 * `run` is called for one split after the other, each awaited. With a client, `send` has the pieces arrive apart; `chunks` are the
 * pieces themselves, for a codec alone.
 *
 * @example
 * ```ts
 * import { everySplit, type TestApp } from '@reagent/testing';
 *
 * async function answersBoth(app: TestApp) {
 *   await everySplit('GET a\r\nGET b\r\n', async ({ send }) => {
 *     await using client = await app.connect('Store');
 *     await send(client);
 *     await client.receive('1\r\n2\r\n');
 *   });
 * }
 * ```
 *
 * @throws SplitError with the first split that failed and, as its cause, what went wrong.
 */
export async function everySplit(
  bytes: string | Uint8Array,
  run: (split: Split) => unknown,
  { limit = DEFAULT_LIMIT }: EverySplitOptions = {},
): Promise<void> {
  const input = Buffer.from(bytes);
  if (input.length === 0) throw new RangeError('everySplit() takes at least one byte');
  if (!(limit >= 1)) throw new RangeError(`everySplit({ limit }) takes a number from 1 on, not ${limit}`);
  using ends = new SocketEnds();
  for (const { place, chunks } of splits(input, limit)) {
    ends.forget();
    try {
      await run(new Split(place, chunks, ends));
    } catch (error) {
      throw new SplitError(place, chunks, error);
    }
  }
}

function* splits(input: Buffer, limit: number): Generator<{ place: string; chunks: Buffer[] }> {
  const { length } = input;
  yield { place: 'in one piece', chunks: cut(input, []) };
  if (length === 1) return;
  for (const place of cutPlaces(length, limit)) {
    yield { place: `split after byte ${place} of ${length}`, chunks: cut(input, [place]) };
  }
  // Of two bytes, those are the two pieces above.
  if (length === 2) return;
  const size = pieceLength(length, limit);
  const places = Array.from({ length: Math.ceil(length / size) - 1 }, (_, i) => (i + 1) * size);
  yield { place: size === 1 ? 'byte by byte' : `in pieces of ${bytesInWords(size)}`, chunks: cut(input, places) };
}

/** Copies, so that no split sees what was done to the bytes of another. */
function cut(input: Buffer, places: readonly number[]): Buffer[] {
  return [...places, input.length].map((end, i) => {
    const piece = Uint8Array.from(input.subarray(places[i - 1] ?? 0, end));
    return Buffer.from(piece.buffer);
  });
}
