import type { ByteQueue } from './byte-queue.js';

/**
 * Turns a byte stream into messages and back.
 *
 * `In` is what `@OnData` and `recv()` give, `Out` what `send()` takes. One codec serves all connections of a listener, so what it
 * remembers between chunks belongs in the decoder, of which each connection has its own.
 */
export interface Codec<In, Out = In> {
  /** Makes the decoder of one connection. */
  decoder(): Decoder<In>;
  /** Writes the bytes of one message to `output`. Throws if the message cannot be sent; nothing of it may have been written then. */
  encode(message: Out, output: ByteSink): void;
}

/**
 * What a codec gives, for a connection whose type is spelled out.
 *
 * @example
 * ```ts
 * import { Connection, json, lines, type MessageOf, OnData, type OutgoingOf, Reagent } from '@reagent/core';
 * import { z } from 'zod';
 *
 * const codec = lines().pipe(json(z.object({ id: z.int() }), z.object({ ok: z.boolean() })));
 *
 * @Reagent({ port: 8080, codec })
 * class Service {
 *   @OnData()
 *   serve(conn: Connection<MessageOf<typeof codec>, OutgoingOf<typeof codec>>) {
 *     conn.send({ ok: true });
 *   }
 * }
 * ```
 */
// biome-ignore lint/suspicious/noExplicitAny: whatever it takes
export type MessageOf<C extends Codec<any, any>> = C extends Codec<infer In, any> ? In : never;

/** What a codec takes. */
// biome-ignore lint/suspicious/noExplicitAny: whatever it gives
export type OutgoingOf<C extends Codec<any, any>> = C extends Codec<any, infer Out> ? Out : never;

/** Reads messages off the front of one connection's input. */
export interface Decoder<In> {
  /**
   * Takes the next message from the front of `input`, or returns `undefined` and leaves `input` as it is, for it to be called again
   * once more bytes have come. It takes one message at a time, so that a codec may be replaced between two of them.
   *
   * @throws whatever makes the input invalid; the connection then closes with reason `error`.
   */
  decode(input: ByteQueue): In | undefined;
  /** The client has sent its last byte: takes what is left in `input` as a last message, returns `undefined` to drop it, or throws. */
  end?(input: ByteQueue): In | undefined;
}

/** Where a codec writes its bytes. Pieces written one after another leave in one write; a piece may be kept until it is sent. */
export interface ByteSink {
  write(data: Uint8Array | string): void;
}
