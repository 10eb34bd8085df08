import { setTimeout as delay } from 'node:timers/promises';

const LIMIT_MS = 4_000;

/** Waits until something that announces itself by no event has become true. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const late = new Error(`it never became true that ${condition.toString().replace(/^\(\) => /, '')}`);
  const deadline = Date.now() + LIMIT_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw late;
    await delay(5);
  }
}
