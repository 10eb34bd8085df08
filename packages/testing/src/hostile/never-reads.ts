import type { TestClient } from '../client/test-client.js';
import type { TestClientOptions } from '../client/test-client-options.js';
import { connectTo, type HostileTarget } from './target.js';

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
  const client = await connectTo(target, options);
  client.pause();
  return client;
}
