// Codecs without a socket: what a connection does with them.

import type { Codec } from '../../src/codec/codec.js';
import { Inbound } from '../../src/connection/inbound.js';

/** What became of a stream: its messages in order, and what the codec threw at their end. */
export interface Decoded<In> {
  readonly messages: In[];
  readonly error: unknown;
  /** The most bytes that waited for more to come. */
  readonly mostWaiting: number;
}

export function decodeAll<In>(codec: Codec<In, never>, chunks: readonly Uint8Array[]): Decoded<In> {
  const inbound = new Inbound(codec);
  const messages: In[] = [];
  let mostWaiting = 0;
  const drain = () => {
    for (let message = inbound.next(); message !== undefined; message = inbound.next()) messages.push(message);
    mostWaiting = Math.max(mostWaiting, inbound.length);
  };
  try {
    for (const chunk of chunks) {
      // A chunk from a socket has memory of its own.
      inbound.push(Buffer.from(Uint8Array.from(chunk).buffer));
      drain();
    }
    inbound.ended = true;
    drain();
  } catch (error) {
    return { messages, error, mostWaiting };
  }
  return { messages, error: undefined, mostWaiting };
}

export function encodeAll<Out>(codec: Codec<unknown, Out>, messages: readonly Out[]): Buffer {
  const pieces: Uint8Array[] = [];
  const output = { write: (data: Uint8Array | string) => pieces.push(Buffer.from(data as Uint8Array)) };
  for (const message of messages) codec.encode(message, output);
  return Buffer.concat(pieces);
}

/** The bytes in pieces that end at `cuts`. */
export function cutAt(data: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...new Set(cuts.map((cut) => Math.min(cut, data.length)))].sort((a, b) => a - b);
  return [...ends, data.length].map((end, i) => data.subarray(ends[i - 1] ?? 0, end));
}

/** The bytes in two pieces, in every way there is; and one by one. */
export function everyCut(data: Uint8Array): Uint8Array[][] {
  const inTwo = Array.from(data, (_, cut) => cutAt(data, [cut]));
  return [...inTwo, Array.from(data, (_, i) => data.subarray(i, i + 1))];
}
