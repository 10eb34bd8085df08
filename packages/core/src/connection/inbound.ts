import { ByteQueue } from '../codec/byte-queue.js';
import type { Codec, Decoder } from '../codec/codec.js';
import { FrameTooLongError, UnexpectedEndError } from '../errors.js';
import type { ReadRequest } from './read-request.js';

/** What a connection has received and nobody has taken yet, and how it is cut into messages. */
export class Inbound<In> {
  /** Made for the first bytes that have to wait. Chunks that are handled as they come never do. */
  #queue: ByteQueue | undefined;
  #decoder: Decoder<In>;
  /** The client has ended its side: no more bytes will come. */
  ended = false;

  constructor(codec: Codec<In, never>) {
    this.#decoder = codec.decoder();
  }

  /** Bytes that have been received and not taken. */
  get length(): number {
    return this.#queue === undefined ? 0 : this.#queue.length;
  }

  /** Whether nothing is left and nothing will come. */
  get exhausted(): boolean {
    return this.ended && this.length === 0;
  }

  get #bytes(): ByteQueue {
    this.#queue ??= new ByteQueue();
    return this.#queue;
  }

  push(chunk: Buffer): void {
    this.#bytes.push(chunk);
  }

  /** What was received and not taken is for the new codec. */
  set codec(codec: Codec<In, never>) {
    this.#decoder = codec.decoder();
  }

  /** Drops what was received. */
  clear(): void {
    this.#queue?.clear();
  }

  /** The bytes at the front, as they came; `undefined` if there are none. */
  takeChunk(): Buffer | undefined {
    return this.length === 0 ? undefined : this.#bytes.takeChunk();
  }

  /** All that was received and not taken; `undefined` if there is nothing. */
  takeAll(): Buffer | undefined {
    return this.length === 0 ? undefined : this.#bytes.take(this.length);
  }

  /** The next message; `undefined` if more bytes are needed, or if nothing is left. Throws what the codec throws. */
  next(): In | undefined {
    const bytes = this.#queue;
    if (bytes === undefined || bytes.length === 0) return undefined;
    const message = this.#decoder.decode(bytes);
    if (message !== undefined || !this.ended || bytes.length === 0) return message;
    return this.#last();
  }

  /** What `request` asks for; `undefined` if more bytes are needed, `null` at the end. */
  read(request: ReadRequest): In | Buffer | null | undefined {
    if (this.exhausted) return request.kind === 'length' && request.length === 0 ? this.#bytes.take(0) : null;
    switch (request.kind) {
      case 'message':
        return this.next() ?? (this.exhausted ? null : undefined);
      case 'length':
        return this.#readLength(request.length);
      case 'until':
        return this.#readUntil(request);
    }
  }

  /** The stream has ended inside a message: the codec may take what there is as the last one. */
  #last(): In | undefined {
    const { length } = this.#bytes;
    if (this.#decoder.end === undefined) throw new UnexpectedEndError(length);
    const message = this.#decoder.end(this.#bytes);
    this.#bytes.clear();
    return message;
  }

  #readLength(length: number): Buffer | undefined {
    if (this.#bytes.length >= length) return this.#bytes.take(length);
    if (this.ended) throw new UnexpectedEndError(this.#bytes.length, length);
    return undefined;
  }

  #readUntil(request: ReadRequest & { kind: 'until' }): Buffer | undefined {
    const { delimiter, maxLength } = request;
    const found = this.#bytes.indexOf(delimiter, request.scanned);
    if (found > maxLength || (found === -1 && this.#bytes.length >= maxLength + delimiter.length))
      throw new FrameTooLongError(maxLength);
    if (found === -1) {
      if (this.ended) throw new UnexpectedEndError(this.#bytes.length);
      request.scanned = Math.max(0, this.#bytes.length - delimiter.length + 1);
      return undefined;
    }
    const taken = this.#bytes.take(found);
    this.#bytes.skip(delimiter.length);
    return taken;
  }
}
