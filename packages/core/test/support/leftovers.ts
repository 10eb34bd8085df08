import { createHook } from 'node:async_hooks';
import { existsSync, readdirSync } from 'node:fs';
import { until } from './until.js';

const DESCRIPTORS = '/proc/self/fd';

/** Frames of a stack in which a timer that the package has started is to be found. */
const FRAMES = 50;

/** Timers that the package has started and that have neither fired nor been cleared, those included that keep no process: by their stack. */
const timers = new Map<number, string>();

createHook({
  init(id, type) {
    if (type !== 'Timeout') return;
    const stack = callSites();
    if (stack.some((site) => site.getFileName()?.includes('/core/src/'))) timers.set(id, stack.join('\n'));
  },
  destroy(id) {
    timers.delete(id);
  },
}).enable();

/** Where the call stands: without what makes a stack readable, which would cost each timer of a test more than all else that it does. */
function callSites(): readonly NodeJS.CallSite[] {
  const { stackTraceLimit, prepareStackTrace } = Error;
  Error.stackTraceLimit = FRAMES;
  Error.prepareStackTrace = (_error, sites) => sites;
  const { stack } = new Error('started') as { stack?: unknown };
  Object.assign(Error, { stackTraceLimit, prepareStackTrace });
  return stack as readonly NodeJS.CallSite[];
}

/** What keeps sockets, servers and files in this process. */
function resources(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => /TCP|TLS|File/.test(name))
    .sort();
}

function descriptors(): number {
  return existsSync(DESCRIPTORS) ? readdirSync(DESCRIPTORS).length : 0;
}

/** What the process holds at one moment, to be compared with what it holds later. */
export class Leftovers {
  readonly #resources = resources().length;
  readonly #descriptors = descriptors();
  readonly #timers = timers.size;

  /** Waits until the process holds no more than it did: no timer of the package, no socket, no descriptor. */
  async none(): Promise<void> {
    await until(() => timers.size <= this.#timers).catch(() => {
      throw new Error(`timers are left: ${[...timers.values()].join('\n')}`);
    });
    await until(() => resources().length <= this.#resources).catch(() => {
      throw new Error(`there were ${this.#resources} resources; now there are: ${resources()}`);
    });
    await until(() => descriptors() <= this.#descriptors).catch(() => {
      throw new Error(`there were ${this.#descriptors} descriptors; now there are ${descriptors()}`);
    });
  }
}
