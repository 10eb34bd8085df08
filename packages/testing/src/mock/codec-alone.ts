// A codec without a connection.

import type { Codec } from '@reagent/core';
import { MockInbound } from './mock-inbound.js';

/**
 * The messages of a stream that comes in these chunks and ends behind them.
 *
 * @example
 * ```ts
 * import { lines } from '@reagent/core';
 * import { decodeChunks } from '@reagent/testing';
 *
 * console.log(decodeChunks(lines(), ['one\nt', 'wo\n'])); // ['one', 'two']
 * ```
 *
 * @throws what the codec throws
 */
export function decodeChunks<In>(codec: Codec<In, never>, chunks: Iterable<Uint8Array | string>): In[] {
  const inbound = new MockInbound(codec);
  const messages: In[] = [];
  const drain = () => {
    for (;;) {
      const message = inbound.read({ kind: 'message' });
      if (message === undefined || message === null) return;
      // A message was asked for.
      messages.push(message as In);
    }
  };
  for (const chunk of chunks) {
    inbound.pushBytes(chunk);
    drain();
  }
  inbound.ended = true;
  drain();
  return messages;
}

/**
 * The bytes that a codec makes of these messages.
 *
 * @throws what the codec throws
 */
export function encodeMessages<Out>(codec: Codec<unknown, Out>, ...messages: Out[]): Buffer {
  const pieces: Buffer[] = [];
  for (const message of messages) {
    codec.encode(message, { write: (piece) => pieces.push(Buffer.from(piece as Uint8Array)) });
  }
  return Buffer.concat(pieces);
}
