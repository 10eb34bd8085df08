/** A flood did not come to what a test waited for; the message says how far it came. */
export class FloodError extends Error {
  override readonly name = 'FloodError';
  readonly code = 'ERR_REAGENT_FLOOD';

  /** @param caller made where the wait began, for a stack that leads to the test */
  constructor(message: string, caller: Error) {
    super(message);
    const frames = caller.stack?.split('\n').slice(1) ?? [];
    this.stack = [`${this.name}: ${message}`, ...frames].join('\n');
  }
}
