/**
 * Until somebody asks for the text of its stack, an error holds all that was called when it was made: a connection, its client, and what
 * they have been sent. This asks, for those among some values and for their causes.
 */
export function releaseCalls(values: Iterable<unknown>): void {
  const errors = new Set<Error>();
  for (const value of values) if (value instanceof Error) errors.add(value);
  // A set goes on with what is added meanwhile, and takes none twice: a cause may be in a circle.
  for (const error of errors) {
    void error.stack;
    if (error.cause instanceof Error) errors.add(error.cause);
  }
}
