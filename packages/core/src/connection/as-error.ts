/** What was thrown, as an Error. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  return new Error(`something that is no Error was thrown: ${String(thrown)}`, { cause: thrown });
}
