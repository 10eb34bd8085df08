import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import type { HookEvent } from '@reagent/core';

export { start } from './reagent-push.js';

/** Whoever wants to know, in what a hook calls and awaits, whose connection it is about. */
tracingChannel<number | undefined, HookEvent>('reagent:hook').start.bindStore(
  new AsyncLocalStorage<number | undefined>(),
  ({ connection }) => connection?.id,
);
