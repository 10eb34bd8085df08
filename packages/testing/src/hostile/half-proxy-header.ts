import type { TestClient, TestClientOptions } from '../client/test-client.js';
import { connectAndSend } from './stalled-handshake.js';
import type { HostileTarget } from './target.js';

/** A TCP connection over IPv4 as a proxy announces it, from and to addresses that are kept for documentation. */
const HEADERS: Readonly<Record<1 | 2, Buffer>> = {
  1: Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n', 'latin1'),
  // The signature, version and command, family and transport, length, both addresses, both ports.
  2: Buffer.from('0d0a0d0a000d0a515549540a' + '21' + '11' + '000c' + 'c0000201' + 'c6336401' + 'dc04' + '01bb', 'hex'),
};

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
 * await using client = await halfProxyHeader(app.listener(Behind), { version: 2 });
 * expect(await client.closed()).toBe('reset');
 */
export async function halfProxyHeader(
  target: HostileTarget,
  { version = 1, bytes, ...options }: HalfProxyHeaderOptions = {},
): Promise<TestClient> {
  const header = HEADERS[version];
  return connectAndSend(target, header.subarray(0, bytes ?? header.length / 2), options);
}
