// The time that passes outside of a test. Kept as it was when this was loaded, since a test may put faked timers in its place, which
// are to move the server's time and not the time that the test allows for.

export const { setTimeout: startTimer, clearTimeout: stopTimer, setImmediate: startImmediate } = globalThis;

const clock = performance;
const read = clock.now;

/** Milliseconds since some moment before. */
export function now(): number {
  return read.call(clock);
}

/** The next turn of the event loop: what is ready now has been done by then, and what was rejected is known to be handled or not. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => startImmediate(resolve));
}
