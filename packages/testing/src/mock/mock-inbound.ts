import { ByteQueue, type Codec, type Decoder, FrameTooLongError, StateError, UnexpectedEndError } from '@reagent/core';

/** What a `recv` of a mock connection asks for: the next message, or bytes whatever the codec. */
export type MockRequest =
  | { readonly kind: 'message' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'until'; readonly delimiter: Uint8Array; readonly maxLength: number };

/** What a mock connection was fed and nobody has taken: whole messages, and behind them bytes. */
export class MockInbound<In> {
  #decoder: Decoder<In>;
  readonly #messages: In[] = [];
  /** One for the whole life: decoders remember positions in it. */
  readonly #bytes = new ByteQueue();
  /** The client has ended its side. */
  ended = false;

  constructor(codec: Codec<In, never>) {
    this.#decoder = codec.decoder();
  }

  /** What was fed as bytes and not taken is for the new codec. */
  set codec(codec: Codec<In, never>) {
    this.#decoder = codec.decoder();
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0 && this.#bytes.length === 0;
  }

  /** Whether nothing is left and nothing will come. */
  get exhausted(): boolean {
    return this.ended && this.isEmpty;
  }

  pushMessage(message: In): void {
    if (this.#bytes.length > 0) {
      throw new StateError('receive() was called while bytes from receiveBytes() wait to be taken, which come first');
    }
    this.#messages.push(message);
  }

  pushBytes(bytes: Uint8Array | string): void {
    // The queue keeps what it is given, and the test may write into its own.
    this.#bytes.push(Buffer.from(bytes));
  }

  clear(): void {
    this.#messages.length = 0;
    this.#bytes.clear();
  }

  /** What is asked for; `undefined` if more has to come, `null` at the end. Throws what the codec throws. */
  read(request: MockRequest): In | Buffer | null | undefined {
    if (this.exhausted) return request.kind === 'length' && request.length === 0 ? this.#bytes.take(0) : null;
    if (request.kind === 'message') return this.#next() ?? (this.exhausted ? null : undefined);
    this.#spellOut();
    return request.kind === 'length' ? this.#readLength(request.length) : this.#readUntil(request);
  }

  /** All there is, as bytes. */
  takeBytes(): Buffer {
    this.#spellOut();
    return this.#bytes.take(this.#bytes.length);
  }

  #next(): In | undefined {
    if (this.#messages.length > 0) return this.#messages.shift();
    const bytes = this.#bytes;
    if (bytes.length === 0) return undefined;
    const message = this.#decoder.decode(bytes);
    if (message !== undefined || !this.ended || bytes.length === 0) return message;
    if (this.#decoder.end === undefined) throw new UnexpectedEndError(bytes.length);
    const last = this.#decoder.end(bytes);
    bytes.clear();
    return last;
  }

  /** Turns messages into the bytes they are, where they are bytes: only a codec knows what the others look like. */
  #spellOut(): void {
    if (this.#messages.length === 0) return;
    const pieces = this.#messages.map((message: unknown) => {
      if (message instanceof Uint8Array) return message;
      throw new StateError('bytes were asked for while a message from receive() is next: feed bytes by receiveBytes()');
    });
    const behind = this.#bytes.take(this.#bytes.length);
    this.#messages.length = 0;
    for (const piece of [...pieces, behind]) this.pushBytes(piece);
  }

  #readLength(length: number): Buffer | undefined {
    if (this.#bytes.length >= length) return this.#bytes.take(length);
    if (this.ended) throw new UnexpectedEndError(this.#bytes.length, length);
    return undefined;
  }

  #readUntil({ delimiter, maxLength }: MockRequest & { kind: 'until' }): Buffer | undefined {
    const found = this.#bytes.indexOf(delimiter);
    if (found > maxLength || (found === -1 && this.#bytes.length >= maxLength + delimiter.length)) {
      throw new FrameTooLongError(maxLength);
    }
    if (found === -1) {
      if (this.ended) throw new UnexpectedEndError(this.#bytes.length);
      return undefined;
    }
    const taken = this.#bytes.take(found);
    this.#bytes.skip(delimiter.length);
    return taken;
  }
}
