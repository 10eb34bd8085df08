import { proxyHeader } from '@reagent/core';
import type { TestClient } from '../client/test-client.js';
import type { TestClientOptions } from '../client/test-client-options.js';
import { connectAndSend } from './stalled-handshake.js';
import type { HostileTarget } from './target.js';

/** A client and what it connected to, at addresses that are kept for documentation. */
const ENDS = { source: { address: '192.0.2.1', port: 56_324 }, destination: { address: '198.51.100.1', port: 443 } };

export interface HalfProxyHeaderOptions extends Pick<TestClientOptions, 'timeout' | 'localAddress'> {
  /** The version of the header. Default: 1. */
  readonly version?: 1 | 2;
  /** How many bytes of it are sent. Default: half of them. 0 sends nothing. */
  readonly bytes?: number;
}

/**
 * Connects to a listener that expects a PROXY header, begins one and says no more.
 *
 * @example
 * ```ts
 * import { halfProxyHeader } from '@reagent/testing';
 *
 * await using client = await halfProxyHeader({ port: 8080 }, { version: 2 });
 * console.log(await client.closed());
 * ```
 */
export async function halfProxyHeader(
  target: HostileTarget,
  { version = 1, bytes, ...options }: HalfProxyHeaderOptions = {},
): Promise<TestClient> {
  const header = proxyHeader({ version, ...ENDS });
  return connectAndSend(target, header.subarray(0, bytes ?? header.length / 2), options);
}
