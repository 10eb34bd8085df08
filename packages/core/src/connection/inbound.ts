import { ByteQueue } from '../codec/byte-queue.js';
import type { Codec, Decoder } from '../codec/codec.js';
import { FrameTooLongError, UnexpectedEndError } from '../errors.js';

/** What a reader asks for: the codec's next message, or bytes whatever the codec. */
export type ReadRequest =
  | { readonly kind: 'message' }
  | { readonly kind: 'length'; readonly length: number }
  | {
      readonly kind: 'until';
      readonly delimiter: Uint8Array;
      readonly maxLength: number;
      /** Bytes at the front known not to begin a delimiter, so that a byte is looked at once however slowly they come. */
      scanned: number;
    };

export const nextMessage: ReadRequest = { kind: 'message' };

/** What a connection has received and nobody has taken yet, and how it is cut into messages. */
export class Inbound<In> {
  readonly #bytes = new ByteQueue();
  #decoder: Decoder<In>;
  /** The client has ended its side: no more bytes will come. */
  ended = false;

  constructor(codec: Codec<In, never>) {
    this.#decoder = codec.decoder();
  }

  /** Bytes that have been received and not taken. */
  get length(): number {
    return this.#bytes.length;
  }

  /** Whether nothing is left and nothing will come. */
  get exhausted(): boolean {
    return this.ended && this.#bytes.length === 0;
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
    this.#bytes.clear();
  }

  /** The next message; `undefined` if more bytes are needed, or if nothing is left. Throws what the codec throws. */
  next(): In | undefined {
    const bytes = this.#bytes;
    if (bytes.length === 0) return undefined;
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
    if (found > maxLength || (found === -1 && this.#bytes.length >= maxLength + delimiter.length)) throw new FrameTooLongError(maxLength);
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
