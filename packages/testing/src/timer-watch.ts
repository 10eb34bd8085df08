import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import type { HookEvent, Listener } from '@reagent/core';

/** A timer that still runs. */
export interface LeftTimer {
  readonly kind: 'setTimeout' | 'setInterval';
  /** Where it was started. */
  readonly stack: string;
}

/** What node:timers makes; `_repeat` is the interval, `_destroyed` is set once it has fired or was cleared. */
interface Timer {
  hasRef(): boolean;
  readonly _repeat: number | null;
  readonly _destroyed: boolean;
}

interface Watched {
  readonly timer: WeakRef<Timer>;
  readonly started: Error;
}

/** In whose name the present code runs. */
const owners = new AsyncLocalStorage<TimerWatch>();

/** Those of the applications that are running. */
const watches = new Set<TimerWatch>();

const hooks = tracingChannel<TimerWatch, HookEvent>('reagent:hook').start;

const timers = createHook({
  init(_id, type, _trigger, resource) {
    if (type === 'Timeout') owners.getStore()?.note(resource as Timer);
  },
});

/** Knows the timers that an application starts: in its providers, its hooks, and whatever these call and await. */
export class TimerWatch {
  #timers: Watched[] = [];
  #stopped = false;
  #owns: (listener: Listener) => boolean = () => false;

  constructor() {
    if (watches.size === 0) {
      timers.enable();
      // What comes from a socket comes in nobody's name.
      hooks.bindStore(owners, ({ listener }) => {
        for (const watch of watches) if (watch.#owns(listener)) return watch;
        return owners.getStore() as TimerWatch;
      });
    }
    watches.add(this);
  }

  /** From now on the hooks of these listeners run in the name of the application. */
  ownListeners(owns: (listener: Listener) => boolean): void {
    this.#owns = owns;
  }

  /** Runs something in the name of the application. */
  run<T>(call: () => T): T {
    return owners.run(this, call);
  }

  note(timer: Timer): void {
    if (this.#stopped) return;
    this.#timers.push({ timer: new WeakRef(timer), started: new Error() });
    // Most are over soon: they are not to be kept for as long as the application runs.
    if (this.#timers.length > 256) this.#timers = this.#timers.filter(isRunning);
  }

  /** Watches no further, and tells the timers that still run and keep the process alive. */
  stop(): LeftTimer[] {
    if (this.#stopped) return [];
    this.#stopped = true;
    watches.delete(this);
    if (watches.size === 0) {
      timers.disable();
      hooks.unbindStore(owners);
    }
    return this.#timers.filter(isRunning).map(({ timer, started }) => ({
      kind: (timer.deref()?._repeat ?? null) === null ? 'setTimeout' : 'setInterval',
      stack: callersOf(started),
    }));
  }
}

function isRunning({ timer }: Watched): boolean {
  const running = timer.deref();
  return running !== undefined && !running._destroyed && running.hasRef();
}

const STACK_LINES = 4;

/** The lines of a stack that are the application's: without this file, and without what is inside of Node.js. */
function callersOf(error: Error): string {
  const lines = (error.stack ?? '').split('\n').slice(1);
  const own = lines.filter((line) => !/timer-watch|node:internal|AsyncHook\.|node:timers/.test(line));
  return own.slice(0, STACK_LINES).join('\n');
}
