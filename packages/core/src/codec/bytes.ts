import type { ByteQueue } from './byte-queue.js';
import type { ByteSink, Codec, Decoder } from './codec.js';

/** A chunk is a message as it is, so all connections share one decoder. */
const decoder: Decoder<Buffer> = {
  decode: (input: ByteQueue) => (input.length === 0 ? undefined : input.takeChunk()),
};

const codec: Codec<Buffer, Uint8Array | string> = {
  decoder: () => decoder,
  encode: (data: Uint8Array | string, output: ByteSink) => output.write(data),
};

/** No framing: messages are the bytes as they come, in chunks of any size. Text that is sent is UTF-8. The default. */
export function bytes(): Codec<Buffer, Uint8Array | string> {
  return codec;
}
