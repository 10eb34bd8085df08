/** The longest delay of Node.js's timers, in milliseconds; it fires longer ones at once. */
const LONGEST = 2 ** 31 - 1;

/** A timer that never fires where its delay is too long to matter, `Infinity` included. */
export function startTimer(milliseconds: number, callback: () => void): NodeJS.Timeout | undefined {
  return milliseconds > LONGEST ? undefined : setTimeout(callback, milliseconds);
}
