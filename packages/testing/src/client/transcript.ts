import { bytesInWords, printed } from './excerpt.js';
import { now } from './real-time.js';

/** Something that went over a client's connection, in one direction. */
export interface TranscriptEntry {
  readonly direction: 'sent' | 'received';
  /**
   * `'bytes'`: what one call sent, or one arrival. `'handshake'`: of TLS, sent when it began, received when it was complete; bytes after
   * it are shown decrypted. `'end'`: a FIN. `'reset'`: a RST, or what TLS ends with when it fails.
   */
  readonly kind: 'bytes' | 'handshake' | 'end' | 'reset';
  /** Empty for all but `'bytes'`. */
  readonly bytes: Buffer;
  /** Milliseconds since the client began to connect. */
  readonly at: number;
}

const NO_BYTES = Buffer.alloc(0);

/** All that a client sent and received, in order: what it sent stands where it was told to. */
export class Transcript {
  readonly #entries: TranscriptEntry[] = [];
  readonly #start = now();

  /** All so far; it grows. */
  get entries(): readonly TranscriptEntry[] {
    return this.#entries;
  }

  add(direction: TranscriptEntry['direction'], what: Buffer | Exclude<TranscriptEntry['kind'], 'bytes'>): void {
    const at = now() - this.#start;
    if (typeof what === 'string') this.#entries.push({ direction, kind: what, bytes: NO_BYTES, at });
    else this.#entries.push({ direction, kind: 'bytes', bytes: what, at });
  }

  /** The last entries, a line each; a line before them says how many are left out. */
  tail(count: number): string[] {
    const omitted = Math.max(0, this.#entries.length - count);
    const lines = this.#entries.slice(omitted).map(lineOf);
    return omitted === 0 ? lines : [`… ${omitted} earlier`, ...lines];
  }

  /** A line for each entry: text, with what cannot be printed in hex. */
  toString(): string {
    return this.#entries.map(lineOf).join('\n');
  }
}

function lineOf({ direction, kind, bytes, at }: TranscriptEntry): string {
  const what = kind === 'bytes' ? `${bytesInWords(bytes.length)} ${printed(bytes)}` : kind;
  return `${at.toFixed(1).padStart(8)} ms ${direction.padEnd(8)} ${what}`;
}
