import { Duplex } from 'node:stream';

/** What the stream of a mock connection needs of it. */
export interface MockStreamOwner {
  /** The stream has room for input. */
  streamWants(): void;
  streamSends(bytes: Buffer): void;
  /** The stream has ended its side. */
  streamEnds(): void;
  streamDestroyed(error: Error | null): void;
}

/** A mock connection as a stream: what it writes is recorded with what was sent, what the test feeds is read from it. */
export class MockStream extends Duplex {
  readonly #owner: MockStreamOwner;

  constructor(owner: MockStreamOwner) {
    super({ allowHalfOpen: true });
    this.#owner = owner;
    // As on a real connection: whoever listens for errors hears of a reset, and nobody has to.
    this.on('error', () => undefined);
  }

  override _read(): void {
    this.#owner.streamWants();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#owner.streamSends(chunk);
    callback();
  }

  override _final(callback: () => void): void {
    this.#owner.streamEnds();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#owner.streamDestroyed(error);
    callback(error);
  }
}
