/**
 * Until somebody asks for the text of its stack, an error holds all that was called when it was made: a connection, its client, and what
 * they have been sent. This asks, for those among some values and for their causes.
 */
export function releaseCalls(values: Iterable<unknown>): void {
  for (const value of values) {
    if (!(value instanceof Error)) continue;
    void value.stack;
    releaseCalls([value.cause]);
  }
}
