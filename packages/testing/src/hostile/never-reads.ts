import { TestClient } from '../client/test-client.js';
import type { TestClientOptions } from '../client/test-client-options.js';
import { addressOf, type HostileTarget } from './target.js';

/**
 * Connects and never reads, so that what the server sends fills the buffers between them and then waits at the server.
 *
 * @example
 * ```ts
 * import { neverReads } from '@reagent/testing';
 *
 * await using client = await neverReads({ port: 8080 });
 * await client.send('everything\n');
 * ```
 */
export async function neverReads(
  target: HostileTarget,
  options: Pick<TestClientOptions, 'timeout' | 'localAddress'> = {},
): Promise<TestClient> {
  const client = await TestClient.connect(addressOf(target), options);
  client.pause();
  return client;
}
