import { tracingChannel } from 'node:diagnostics_channel';
import type { HookEvent } from '@reagent/core';

export { start } from './reagent-push.js';

let calls = 0;
const ignore = () => {};

/** Whoever counts the calls of hooks. */
tracingChannel<unknown, HookEvent>('reagent:hook').subscribe({
  start: () => {
    calls++;
  },
  end: ignore,
  asyncStart: ignore,
  asyncEnd: ignore,
  error: ignore,
});

process.on('exit', () => {
  if (calls === 0) throw new Error('no hook was traced');
});
