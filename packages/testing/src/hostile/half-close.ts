import type { TestClient } from '../client/test-client.js';
import type { TimeLimit } from '../client/test-client-options.js';

/**
 * Sends the last that the client has to say and a FIN right behind it, as `printf … | nc -N` does, and reads to the end.
 *
 * @example
 * ```ts
 * import { halfClose, TestClient } from '@reagent/testing';
 *
 * await using client = await TestClient.connect({ port: 8080 });
 * console.log(String(await halfClose(client, 'hello\n')));
 * ```
 *
 * @returns all that arrived and was not taken, up to the server's FIN
 * @throws TestClientError when the server resets, or nothing comes within the time limit
 */
export async function halfClose(
  client: TestClient,
  bytes: string | Uint8Array = '',
  options: TimeLimit = {},
): Promise<Buffer> {
  await Promise.all([client.send(bytes, options), client.end(options)]);
  const answer: Buffer[] = [];
  for (let chunk = await client.recv(options); chunk !== null; chunk = await client.recv(options)) answer.push(chunk);
  return Buffer.concat(answer);
}
