/** Connections have closed, and something of the application still holds them. */
export class LeakError extends Error {
  override readonly name = 'LeakError';
  readonly code = 'ERR_REAGENT_TEST_LEAK';

  /** @param connections who they were */
  constructor(connections: readonly string[], timeout: number) {
    const lines = connections.map((connection) => `\n  - ${connection}`);
    super(
      `expected closed connections to be forgotten, but ${timeout} ms later something still holds ${connections.length} of them, such as a Set, a Map, an event listener or a timer that @OnClose should take them from:${lines.join('')}`,
    );
  }
}
