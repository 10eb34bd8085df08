import { bytesInWords } from '../client/excerpt.js';
import type { TestClient } from '../client/test-client.js';
import { DEFAULT_TIMEOUT_MS, type TimeLimit } from '../client/test-client-options.js';
import type { SocketEnds } from './socket-ends.js';

/** One way to cut the input of `everySplit`. */
export class Split {
  /** The bytes, in order; each piece has memory of its own, as what comes from a socket. */
  readonly chunks: readonly Buffer[];
  /** Where it is cut, in words: `'split after byte 7 of 23'`. */
  readonly place: string;
  readonly #ends: SocketEnds;

  /** Made by `everySplit`. */
  constructor(place: string, chunks: readonly Buffer[], ends: SocketEnds) {
    this.place = place;
    this.chunks = chunks;
    this.#ends = ends;
  }

  /**
   * Sends the chunks so that they arrive apart: each follows when the server has read the one before. The server has to be in this
   * process, and the client has to be connected inside of the callback.
   *
   * A server that closes or resets the connection before it has all of it is no error here: what the client sees of it tells.
   *
   * @throws Error when the server does not read within the time limit (2 000 ms if none is given), TestClientError when the client
   *   cannot send.
   */
  readonly send = async (
    client: Pick<TestClient, 'write' | 'localPort' | 'closed'>,
    { timeout = DEFAULT_TIMEOUT_MS }: TimeLimit = {},
  ): Promise<void> => {
    if (!this.#ends.knows(client)) {
      throw new Error(
        'a split can be sent by a client that was connected inside of the callback, so that each split has its own',
      );
    }
    let sent = 0;
    for (const chunk of this.chunks) {
      if (sent > 0 && !(await this.#wasRead(client, sent, timeout))) return;
      try {
        await client.write(chunk, { timeout });
      } catch (error) {
        if (await wasClosedByServer(client)) return;
        throw error;
      }
      sent += chunk.length;
    }
  };

  async #wasRead(client: Pick<TestClient, 'localPort'>, sent: number, timeout: number): Promise<boolean> {
    const outcome = await this.#ends.whenRead(client, timeout);
    if (outcome !== 'neither') return outcome === 'read';
    throw new Error(
      `the server did not read the first ${bytesInWords(sent)} within ${timeout} ms; it has to be in this process`,
    );
  }
}

async function wasClosedByServer(client: Pick<TestClient, 'closed'>): Promise<boolean> {
  return client.closed({ timeout: 0 }).then(
    (how) => how !== 'client',
    () => false,
  );
}
