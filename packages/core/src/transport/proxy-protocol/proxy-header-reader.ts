import { binaryHeaderLength, MAX_HEADER_BYTES, readBinaryHeader, SIGNATURE } from './binary-header.js';
import type { ProxyHeader } from './proxy-header.js';
import { noProxyHeader, ProxyHeaderError, shownBytes } from './proxy-header-error.js';
import { readTextHeader, TEXT_START } from './text-header.js';

const EMPTY = Buffer.alloc(0);

/** Room for what has come of a header in several chunks: any of version 1 and most of version 2. */
const SMALLEST_ROOM = 128;

/** How each version begins. */
const STARTS = { 1: TEXT_START, 2: SIGNATURE } as const;

/** `'more'` as long as the header is not complete; then the header, and the bytes that came behind it in the last chunk. */
export type ProxyHeaderResult = 'more' | { readonly header: ProxyHeader; readonly rest: Buffer };

/**
 * Reads the PROXY header at the beginning of one connection.
 *
 * What cannot be one is refused at the first byte that shows it. A header of version 1 has at most 107 bytes, one of version 2 at most
 * 16 KiB, so there is never more to wait for, nor to keep.
 */
export class ProxyHeaderReader {
  readonly #versions: readonly (1 | 2)[];
  /** What has come, if it was not the whole header at once; longer than that. */
  #room = EMPTY;
  #received = 0;

  /** `versions` are those of the protocol that are accepted. */
  constructor(versions: readonly (1 | 2)[]) {
    this.#versions = versions;
  }

  /** How many bytes of an incomplete header have come. */
  get received(): number {
    return this.#received;
  }

  /**
   * Takes the next chunk. There is no next one after the header.
   *
   * @throws ProxyHeaderError if it is no header, or an invalid one, or of a version that is not accepted.
   */
  read(chunk: Buffer): ProxyHeaderResult {
    const before = this.#received;
    // Nearly always the first chunk has the whole header: nothing is copied then but its fields.
    const bytes = before === 0 ? chunk : this.#keep(chunk);
    const found = this.#readHeader(bytes);
    if (found !== undefined) return { header: found.header, rest: chunk.subarray(found.length - before) };
    if (before === 0) this.#keep(chunk);
    return 'more';
  }

  /** The stream has ended before the header: the error for that. */
  ended(): ProxyHeaderError {
    if (this.#received === 0) return new ProxyHeaderError('the stream ended before a PROXY header');
    const received = this.#room.subarray(0, this.#received);
    return new ProxyHeaderError(
      `the stream ended inside the PROXY header, after ${this.#received} bytes of it: ${shownBytes(received)}`,
    );
  }

  #readHeader(bytes: Buffer): { readonly header: ProxyHeader; readonly length: number } | undefined {
    if (bytes.length === 0) return undefined;
    if (bytes[0] === TEXT_START[0]) {
      this.#requireVersion(1, bytes);
      return readTextHeader(bytes);
    }
    this.#requireVersion(2, bytes);
    const length = binaryHeaderLength(bytes);
    if (length === undefined || length > bytes.length) return undefined;
    return { header: readBinaryHeader(bytes.subarray(0, length)), length };
  }

  #requireVersion(version: 1 | 2, bytes: Buffer): void {
    if (this.#versions.includes(version)) return;
    // One byte is enough to refuse it, but not to say that it is a header.
    const start = STARTS[version];
    if (!start.equals(bytes.subarray(0, start.length))) throw noProxyHeader(bytes);
    const cure = `set ${version === 1 ? 'send-proxy-v2' : 'send-proxy'} at the balancer, or list ${version} in proxyProtocol.versions`;
    throw new ProxyHeaderError(
      `expected a PROXY header of version ${this.#versions.join(' or ')}, received one of version ${version}: ${cure}`,
    );
  }

  /** Copies what may still belong to the header behind what there is. Returns all of it. */
  #keep(chunk: Buffer): Buffer {
    const kept = Math.min(chunk.length, MAX_HEADER_BYTES - this.#received);
    const length = this.#received + kept;
    if (length > this.#room.length) {
      const room = Buffer.allocUnsafeSlow(Math.max(SMALLEST_ROOM, 2 * length));
      this.#room.copy(room, 0, 0, this.#received);
      this.#room = room;
    }
    chunk.copy(this.#room, this.#received, 0, kept);
    this.#received = length;
    return this.#room.subarray(0, length);
  }
}
