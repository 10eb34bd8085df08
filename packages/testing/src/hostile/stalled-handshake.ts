import type { TestClient } from '../client/test-client.js';
import type { TestClientOptions } from '../client/test-client-options.js';
import { clientHello } from './client-hello.js';
import { connectTo, type HostileTarget } from './target.js';

export interface StalledHandshakeOptions extends Pick<TestClientOptions, 'timeout' | 'localAddress'> {
  /** How many bytes of the ClientHello are sent. Default: half of them. 0 sends nothing. */
  readonly bytes?: number;
}

/**
 * Connects to a TLS listener, begins the handshake and says no more. The client is a plain one, without TLS.
 *
 * @example
 * ```ts
 * import { stalledHandshake } from '@reagent/testing';
 *
 * await using client = await stalledHandshake({ port: 8443 });
 * console.log(await client.closed());
 * ```
 */
export async function stalledHandshake(
  target: HostileTarget,
  { bytes, ...options }: StalledHandshakeOptions = {},
): Promise<TestClient> {
  const hello = await clientHello();
  return connectAndSend(target, hello.subarray(0, bytes ?? hello.length / 2), options);
}

/** A client that has sent this and does nothing more by itself. */
export async function connectAndSend(
  target: HostileTarget,
  bytes: Uint8Array,
  options: TestClientOptions,
): Promise<TestClient> {
  const client = await connectTo(target, options);
  try {
    if (bytes.length > 0) await client.write(bytes);
    return client;
  } catch (error) {
    client.destroy();
    throw error;
  }
}
