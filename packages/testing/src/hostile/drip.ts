import type { TestClient } from '../client/test-client.js';

/** As good as no limit for a wait of a client: the longest that a timer of Node.js takes, in ms. */
const LONGEST_MS = 2 ** 31 - 1;

export interface DripOptions {
  /** Milliseconds between two bytes. Default: 1. */
  readonly every?: number;
}

/**
 * Sends a byte at a time, as a client does that wants to keep a connection busy for as long as it can. It ends when all is sent, or
 * when the connection is closed, by whomever.
 *
 * @example
 * ```ts
 * import { drip, TestClient } from '@reagent/testing';
 *
 * await using client = await TestClient.connect({ port: 8080 });
 * const sent = await drip(client, 'GET / HTTP/1.1\r\n', { every: 50 });
 * console.log(`${sent} bytes until ${await client.closed()}`);
 * ```
 *
 * @returns how many bytes were sent
 */
export async function drip(
  client: Pick<TestClient, 'write' | 'closed'>,
  bytes: string | Uint8Array,
  { every = 1 }: DripOptions = {},
): Promise<number> {
  const input = Buffer.from(bytes);
  let isClosed = false;
  let wake = (): void => undefined;
  const noteEnd = (): void => {
    isClosed = true;
    wake();
  };
  client.closed({ timeout: LONGEST_MS }).then(noteEnd, noteEnd);
  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, every);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  let sent = 0;
  for (; sent < input.length; sent += 1) {
    await (sent === 0 ? undefined : pause());
    if (isClosed) break;
    try {
      await client.write(input.subarray(sent, sent + 1));
    } catch (error) {
      if (await isOpen(client)) throw error;
      break;
    }
  }
  return sent;
}

async function isOpen(client: Pick<TestClient, 'closed'>): Promise<boolean> {
  return client.closed({ timeout: 0 }).then(
    () => false,
    () => true,
  );
}
