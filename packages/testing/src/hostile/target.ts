import { Listener } from '@reagent/core';
import type { TestClientTarget } from '../client/test-client-options.js';

/** Where a hostile client goes: a listener of this process, or an address. */
export type HostileTarget = Listener | TestClientTarget;

export function addressOf(target: HostileTarget): TestClientTarget {
  if (!(target instanceof Listener)) return target;
  const { address, port, endpoint } = target;
  return endpoint.family === 'unix' ? { path: address } : { host: address, port };
}
