// The time that passes outside of a test. Kept as it was when this was loaded, since a test may put faked timers in its place, which
// are to move the server's time and not the time that the test allows for.

export const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis;

const clock = performance;
const read = clock.now;

/** Milliseconds since some moment before. */
export function now(): number {
  return read.call(clock);
}
