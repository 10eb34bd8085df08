import type { TestClient } from '../client/test-client.js';
import type { TimeLimit } from '../client/test-client-options.js';

/** `received`: so many bytes more have arrived. `sent`: these are with the kernel. */
export type ResetMoment = { readonly received: number } | { readonly sent: string | Uint8Array };

/**
 * Resets the connection (RST) in the middle of things: when so many bytes have arrived, or behind what it sends. Done when the client's
 * end is closed.
 *
 * @example
 * ```ts
 * import { resetAfter, TestClient } from '@reagent/testing';
 *
 * await using client = await TestClient.connect({ port: 8080 });
 * await resetAfter(client, { sent: 'Content-Length: 1000\r\n\r\nthe beginn' });
 * ```
 *
 * @throws TestClientError when it does not come so far within the time limit
 */
export async function resetAfter(
  client: Pick<TestClient, 'write' | 'receive' | 'reset' | 'closed'>,
  moment: ResetMoment,
  options: TimeLimit = {},
): Promise<void> {
  if ('sent' in moment) await client.write(moment.sent, options);
  else await client.receive(moment.received, options);
  client.reset();
  await client.closed(options);
}
