import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import type { Connection, HookEvent, Listener } from '@reagent/core';
import { RunningHooks } from './running-hooks.js';
import { type NodeTimer, type RunningTimer, RunningTimers } from './running-timers.js';

/** A hook of a listener. */
export type HookOf = Pick<HookEvent, 'hook' | 'listener'>;

/** Something that nobody has caught or handled, and that ends a process which does nothing about it. */
export interface Crash {
  readonly kind: 'exception' | 'rejection';
  /** What was thrown, or what the promise was rejected with. */
  readonly reason: unknown;
  /** The hook that it comes from; `undefined` if it comes from a provider. */
  readonly hook: HookOf | undefined;
}

/** In whose name code runs. Whatever a hook starts keeps it, so it has nothing of the connection. */
interface Origin {
  readonly watch: ApplicationWatch;
  readonly hook: HookOf | undefined;
}

const origins = new AsyncLocalStorage<Origin>();

/** Those of the applications that are running. */
const watches = new Set<ApplicationWatch>();

/** Of all applications. */
const hooks = new RunningHooks();

const hookStarts = tracingChannel<Origin, HookEvent>('reagent:hook').start;

const timers = createHook({
  init(_id, type, _trigger, resource) {
    if (type === 'Timeout') origins.getStore()?.watch.timerStarted(resource as NodeTimer);
  },
});

/** Both are called in the name of whoever has started what failed. */
const exceptionThrown = (reason: unknown): void => noteCrash('exception', reason);
const rejectionUnhandled = (reason: unknown): void => {
  noteCrash('rejection', reason);
  // To listen keeps Node.js from ending the process. In a test runner, which listens too, that is not ours to decide.
  if (process.listenerCount('unhandledRejection') === 1) throw reason;
};

/**
 * Knows what an application starts, in its providers, its hooks, and whatever these call and await: the timers, and what goes wrong where
 * nobody is there to catch it.
 */
export class ApplicationWatch {
  readonly #timers = new RunningTimers();
  readonly #crashes: Crash[] = [];
  #stopped = false;
  #owns: (listener: Listener) => boolean = () => false;

  constructor() {
    if (watches.size === 0) startWatching();
    watches.add(this);
  }

  /** What has gone wrong so far, where nobody caught it; it grows. */
  get crashes(): readonly Crash[] {
    return this.#crashes;
  }

  owns(listener: Listener): boolean {
    return this.#owns(listener);
  }

  /** From now on the hooks of these listeners run in the name of the application. */
  ownListeners(owns: (listener: Listener) => boolean): void {
    this.#owns = owns;
  }

  /** Runs something in the name of the application. */
  run<T>(call: () => T): T {
    return origins.run({ watch: this, hook: undefined }, call);
  }

  timerStarted(timer: NodeTimer): void {
    if (!this.#stopped) this.#timers.note(timer);
  }

  crashed(crash: Crash): void {
    // Of a rejection that nobody handles, an exception may have been made.
    if (!this.#stopped && !this.#crashes.some(({ reason }) => reason === crash.reason)) this.#crashes.push(crash);
  }

  /** The hooks that are called for a connection and have not ended. */
  hooksOf(predicate: (connection: Connection<unknown, unknown>) => boolean): HookEvent[] {
    return hooks.of((connection) => this.owns(connection.listener) && predicate(connection));
  }

  /** Keeps nothing that holds a connection. */
  letGo(): void {
    this.#timers.letGo();
  }

  /** Watches no further, and tells the timers that still run and keep the process alive. */
  stop(): RunningTimer[] {
    if (this.#stopped) return [];
    this.#stopped = true;
    watches.delete(this);
    if (watches.size === 0) stopWatching();
    return this.#timers.all;
  }
}

function startWatching(): void {
  timers.enable();
  process.on('uncaughtExceptionMonitor', exceptionThrown);
  process.on('unhandledRejection', rejectionUnhandled);
  // What comes from a socket comes in nobody's name.
  hookStarts.bindStore(origins, (event) => {
    const { hook, listener } = event;
    for (const watch of watches) {
      if (!watch.owns(listener)) continue;
      hooks.note(event);
      return { watch, hook: { hook, listener } };
    }
    return origins.getStore() as Origin;
  });
  hooks.start();
}

function stopWatching(): void {
  timers.disable();
  process.off('uncaughtExceptionMonitor', exceptionThrown);
  process.off('unhandledRejection', rejectionUnhandled);
  hookStarts.unbindStore(origins);
  hooks.stop();
}

function noteCrash(kind: Crash['kind'], reason: unknown): void {
  const origin = origins.getStore();
  origin?.watch.crashed({ kind, reason, hook: origin.hook });
}
