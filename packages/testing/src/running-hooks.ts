import { tracingChannel } from 'node:diagnostics_channel';
import type { Connection, HookEvent } from '@reagent/core';

const { end, asyncEnd } = tracingChannel<unknown, HookEvent>('reagent:hook');

/** The hooks that were called and have not ended. */
export class RunningHooks {
  readonly #events = new Set<HookEvent>();

  start(): void {
    end.subscribe(this.#returned);
    asyncEnd.subscribe(this.#settled);
  }

  stop(): void {
    end.unsubscribe(this.#returned);
    asyncEnd.unsubscribe(this.#settled);
    this.#events.clear();
  }

  /** A hook is about to be called. */
  note(event: HookEvent): void {
    this.#events.add(event);
  }

  /** Those that are about connections of which this is true. */
  of(predicate: (connection: Connection<unknown, unknown>) => boolean): HookEvent[] {
    return [...this.#events].filter(({ connection }) => connection !== undefined && predicate(connection));
  }

  /** Of one that has returned a promise, it is not known yet what comes of it. */
  readonly #returned = (event: unknown): void => {
    if ('result' in (event as HookEvent) || 'error' in (event as HookEvent)) this.#events.delete(event as HookEvent);
  };

  readonly #settled = (event: unknown): void => {
    this.#events.delete(event as HookEvent);
  };
}
