/** What was tried with a split of `everySplit` failed; the message says with which, and `cause` is what went wrong. */
export class SplitError extends Error {
  override readonly name = 'SplitError';
  readonly code = 'ERR_REAGENT_SPLIT';
  /** The bytes as they were cut. */
  readonly chunks: readonly Buffer[];

  constructor(place: string, chunks: readonly Buffer[], cause: unknown) {
    super(`${place}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.chunks = chunks;
    // The message says where it was cut; printing the error is not to print the bytes as well.
    Object.defineProperty(this, 'chunks', { enumerable: false });
  }
}
