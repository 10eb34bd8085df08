import { subscribe } from 'node:diagnostics_channel';
import { channelNames } from '@reagent/core';

export { start } from './reagent-push.js';

let told = 0;

/** Whoever counts what the channels tell, of hooks apart. */
for (const name of channelNames) {
  subscribe(name, () => {
    told++;
  });
}

process.on('exit', () => {
  if (told === 0) throw new Error('no channel has told anything');
});
