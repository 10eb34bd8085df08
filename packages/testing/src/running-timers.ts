import { shownFrames } from './shown-stack.js';

/** A timer that still runs. */
export interface RunningTimer {
  readonly kind: 'setTimeout' | 'setInterval';
  /** Where it was started. */
  readonly stack: string;
}

/** What node:timers makes; `_repeat` is the interval, `_destroyed` is set once it has fired or was cleared. */
export interface NodeTimer {
  hasRef(): boolean;
  readonly _repeat: number | null;
  readonly _destroyed: boolean;
}

interface Noted {
  readonly timer: WeakRef<NodeTimer>;
  readonly started: Error;
}

/** Most timers are over soon: this many are noted before those that are over are forgotten. */
const NOTED_AT_A_TIME = 256;

/** Frames that are looked through for the user's. */
const STACK_DEPTH = 30;

/** The timers that were started, and where. */
export class RunningTimers {
  #noted: Noted[] = [];

  /** A timer that is being started by whoever calls this. */
  note(timer: NodeTimer): void {
    this.#noted.push({ timer: new WeakRef(timer), started: errorWithStack() });
    if (this.#noted.length > NOTED_AT_A_TIME) this.#noted = this.#noted.filter(isRunning);
  }

  /** Keeps nothing but words of where timers were started: a stack holds all that was called. */
  letGo(): void {
    this.#noted = this.#noted.filter(isRunning);
    for (const { started } of this.#noted) void started.stack;
  }

  /** Those that still run and keep the process alive. */
  get all(): RunningTimer[] {
    return this.#noted.filter(isRunning).map(({ timer, started }) => ({
      kind: (timer.deref()?._repeat ?? null) === null ? 'setTimeout' : 'setInterval',
      stack: shownFrames(started),
    }));
  }
}

function isRunning({ timer }: Noted): boolean {
  const running = timer.deref();
  return running !== undefined && !running._destroyed && running.hasRef();
}

/** Much of a stack is inside of Node.js here, so that the usual length would leave out who has started the timer. */
function errorWithStack(): Error {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = STACK_DEPTH;
  const error = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}
