/** What a process may end for. */
const EVENTS = ['unhandledRejection', 'uncaughtException'] as const;

/**
 * Runs something during which nobody but `heard` listens for what ends a process: the test runner, which would fail the test, comes back
 * after it. Gives what was heard.
 */
export async function withoutRunner(run: () => Promise<unknown>): Promise<unknown[]> {
  const heard: unknown[] = [];
  const listener = (reason: unknown): void => {
    heard.push(reason);
  };
  const runners = EVENTS.map((event) => [event, process.rawListeners(event)] as const);
  for (const event of EVENTS) {
    process.removeAllListeners(event);
    process.on(event, listener);
  }
  try {
    await run();
  } finally {
    for (const [event, listeners] of runners) {
      process.off(event, listener);
      for (const each of listeners) process.on(event, each as () => void);
    }
  }
  return heard;
}
