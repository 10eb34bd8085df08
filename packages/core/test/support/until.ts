import { setTimeout as delay } from 'node:timers/promises';

const LIMIT_MS = 4_000;

/** Waits until something that announces itself by no event has become true. */
export async function until(condition: () => boolean, limit = LIMIT_MS): Promise<void> {
  const late = new Error(`it never became true that ${condition.toString().replace(/^\(\) => /, '')}`);
  const deadline = Date.now() + limit;
  while (!condition()) {
    if (Date.now() > deadline) throw late;
    await delay(1);
  }
}

/** Turns of the event loop in which something that still goes on would have moved. */
const STABLE_TURNS = 100;

/** Waits until a number that grows while something goes on has stopped to grow, and returns it. */
export async function settled(read: () => number): Promise<number> {
  let last = read();
  for (let turns = 0; turns < STABLE_TURNS; turns += 1) {
    await delay(1);
    const now = read();
    if (now === last) continue;
    last = now;
    turns = 0;
  }
  return last;
}
