import { Listener } from '@reagent/core';
import { TestClient } from '../client/test-client.js';
import type { TestClientOptions, TestClientTarget } from '../client/test-client-options.js';
import { MemoryTransport } from '../memory/memory-transport.js';

/** Where a hostile client goes: a listener of this process, or an address. */
export type HostileTarget = Listener | TestClientTarget;

/** A plain client of the target: in memory, where that is a listener that is bound to nothing. */
export function connectTo(target: HostileTarget, options: TestClientOptions): Promise<TestClient> {
  if (!isUnbound(target)) return TestClient.connect(addressOf(target), options);
  return TestClient.over(new MemoryTransport(target, options.localAddress), options);
}

/** @throws Error if it has none */
export function addressOf(target: HostileTarget): TestClientTarget {
  if (!(target instanceof Listener)) return target;
  const { address, port, endpoint } = target;
  if (isUnbound(target)) throw new Error(`${target.name} is bound to no address: it is served in memory only`);
  return endpoint.family === 'unix' ? { path: address } : { host: address, port };
}

function isUnbound(target: HostileTarget): target is Listener {
  return target instanceof Listener && target.address === '';
}
