import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const LIMIT_MS = 8_000;

/** Bytes that this process may hold more than before: what caches keep. */
const TOLERANCE = 6 * 1_048_576;

/** Bytes that this process has in use, on the heap and in buffers. */
export function memoryInUse(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Waits until no more is in use than there was, but for a few caches. */
export async function memoryIsBackAt(before: number): Promise<void> {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    // Sockets and streams let go of what they hold in one of the next turns of the event loop.
    await delay(5);
    const more = memoryInUse() - before;
    if (more <= TOLERANCE) return;
    if (Date.now() > deadline) throw new Error(`${more} bytes more are in use than before`);
  }
}
