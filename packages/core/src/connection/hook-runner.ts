import type { Hooks } from '../decorators/hooks.js';
import { type HookEvent, hookTracing, traceHook } from '../telemetry/channels.js';
import { asError } from './as-error.js';
import type { Connection } from './connection.js';
import { isPromise } from './promise-like.js';

/** A hook that a connection calls: all but `@OnAccept`, which comes before there is one. */
export type RunningHook = Exclude<keyof Hooks, 'accept' | 'className' | 'acceptIsStatic'>;

type HookMethod = (this: object, connection: object, argument: unknown) => unknown;

/** Who is told how the hooks end. */
export interface HookObserver {
  hookReturned(hook: RunningHook, value: unknown): void;
  hookThrew(hook: RunningHook, error: Error): void;
  /** A hook has returned a promise. */
  hookWaits(): void;
  /** A hook that was waited for has ended, and its observer has been told so. */
  hookSettled(): void;
}

/**
 * Calls the hooks of a connection's owner, one at a time.
 *
 * Only while the handler waits in `recv` may another hook run: it interrupts, and the handler goes on after it.
 */
export class HookRunner {
  readonly #connection: object;
  readonly #observer: HookObserver;
  #owner: object | undefined;
  #hooks: Hooks | undefined;
  #running: RunningHook | undefined;
  #interrupting = false;
  /** Made once, for the first hook that returns a promise: one at a time is waited for, and `#running` says which. */
  #fulfilled: ((value: unknown) => void) | undefined;
  #rejected: ((error: unknown) => void) | undefined;

  constructor(connection: object, observer: HookObserver) {
    this.#connection = connection;
    this.#observer = observer;
  }

  get owner(): object | undefined {
    return this.#owner;
  }

  /** The hooks of the owner; `undefined` before there is one. */
  get hooks(): Hooks | undefined {
    return this.#hooks;
  }

  /** The hook that has not ended, be it that it waits in `recv`. */
  get running(): RunningHook | undefined {
    return this.#running;
  }

  /** Whether a hook runs while the handler waits in `recv`. */
  get interrupting(): boolean {
    return this.#interrupting;
  }

  /** From now on the hooks of this object are called. */
  own(owner: object, hooks: Hooks): void {
    this.#owner = owner;
    this.#hooks = hooks;
  }

  /** Hot path: calls a hook that the owner has. What it returned or threw is told before this returns, or when its promise settles. */
  run(hook: RunningHook, argument: unknown): void {
    const interrupts = this.#running !== undefined;
    if (interrupts) this.#interrupting = true;
    else this.#running = hook;
    let result: unknown;
    try {
      const method = this.#hooks?.[hook] as HookMethod;
      const owner = this.#owner as object;
      result = hookTracing.hasSubscribers
        ? this.#trace(hook, method, owner, argument)
        : method.call(owner, this.#connection, argument);
    } catch (error) {
      this.#leave(interrupts);
      this.#observer.hookThrew(hook, asError(error));
      return;
    }
    if (isPromise(result)) {
      this.#observer.hookWaits();
      this.#wait(result, hook, interrupts);
    } else {
      this.#leave(interrupts);
      this.#observer.hookReturned(hook, result);
    }
  }

  // The arguments are handed on: a closure in `run` would be made for each message, whether it is traced or not.
  #trace(hook: RunningHook, method: HookMethod, owner: object, argument: unknown): unknown {
    const connection = this.#connection as Connection<unknown, unknown>;
    const event: HookEvent = { listener: connection.listener, connection, incoming: undefined, hook, argument };
    return traceHook(event, method as OmitThisParameter<HookMethod>, owner, connection, argument);
  }

  #wait(result: PromiseLike<unknown>, hook: RunningHook, interrupts: boolean): void {
    if (interrupts) {
      result.then(
        (value) => this.#returned(hook, true, value),
        (error) => this.#threw(hook, true, error),
      );
      return;
    }
    this.#fulfilled ??= (value) => this.#returned(this.#running as RunningHook, false, value);
    this.#rejected ??= (error) => this.#threw(this.#running as RunningHook, false, error);
    result.then(this.#fulfilled, this.#rejected);
  }

  #returned(hook: RunningHook, interrupts: boolean, value: unknown): void {
    this.#leave(interrupts);
    this.#observer.hookReturned(hook, value);
    this.#observer.hookSettled();
  }

  #threw(hook: RunningHook, interrupts: boolean, error: unknown): void {
    this.#leave(interrupts);
    this.#observer.hookThrew(hook, asError(error));
    this.#observer.hookSettled();
  }

  #leave(interrupts: boolean): void {
    if (interrupts) this.#interrupting = false;
    else this.#running = undefined;
  }
}
