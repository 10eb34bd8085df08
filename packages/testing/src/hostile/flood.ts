import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { startTimer, stopTimer } from '../client/real-time.js';
import { DEFAULT_TIMEOUT_MS, type TestClientTarget, type TimeLimit } from '../client/test-client-options.js';
import { FloodError } from './flood-error.js';
import { addressOf, type HostileTarget } from './target.js';

/** As many as one address has ports. */
const MOST_CLIENTS = 65_535;

/** System errors of a client that are the server's doing; with another one, the test has asked for what cannot be. */
const OUTCOMES: Readonly<Record<string, 'refused' | 'reset'>> = {
  ECONNREFUSED: 'refused',
  // Of a Unix socket whose backlog is full.
  EAGAIN: 'refused',
  ETIMEDOUT: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
};

export interface FloodOptions extends TimeLimit {
  /** The address they connect from, or that of each: ``(index) => `127.0.0.${2 + index % 100}` `` is a hundred hosts to a limit per IP. */
  readonly localAddress?: string | ((index: number) => string);
  /** What each of them sends when it is connected. Default: nothing. */
  readonly send?: string | Uint8Array;
}

/** What has become of the clients of a flood; each is in one of the first five. */
export interface FloodCounts {
  readonly connecting: number;
  /** Connected, and neither side has closed. The kernel connects; whether the server has accepted it, only an answer shows. */
  readonly open: number;
  /** Nobody listened, or the backlog was full. */
  readonly refused: number;
  /** The server has reset the connection. */
  readonly reset: number;
  /** The server has ended the connection in good order. */
  readonly ended: number;
  /** Those that the server has sent something to, whatever became of them. */
  readonly answered: number;
}

type FloodState = Exclude<keyof FloodCounts, 'answered'>;

/**
 * Opens `count` connections at once, and tells what becomes of them. Resolves when each is connected or has failed, which is before
 * a server that accepts can be told from one that is about to reset: wait for what you expect.
 *
 * @example
 * ```ts
 * import { flood } from '@reagent/testing';
 *
 * await using crowd = await flood(100, { port: 8080 }, { send: 'hello\n' });
 * await crowd.waitFor(({ answered, reset }) => answered === 10 && reset === 90);
 * ```
 *
 * @throws FloodError when not all have come so far within the time limit (`timeout`, 2 000 ms if none is given); the system's error
 *   when they cannot be made, such as EMFILE where the process is out of file descriptors
 */
export async function flood(count: number, target: HostileTarget, options: FloodOptions = {}): Promise<Flood> {
  if (!(Number.isSafeInteger(count) && count >= 1 && count <= MOST_CLIENTS)) {
    throw new RangeError(`flood() takes a number of clients from 1 to ${MOST_CLIENTS}, not ${count}`);
  }
  const crowd = new Flood(count, addressOf(target), options);
  try {
    await crowd.waitFor(({ connecting }) => connecting === 0);
    return crowd;
  } catch (error) {
    await crowd.close();
    throw error;
  }
}

/** Many clients at once. They read all that comes and keep none of it. */
export class Flood implements AsyncDisposable {
  readonly #timeout: number;
  readonly #sockets: Socket[];
  readonly #counts: Record<keyof FloodCounts, number>;
  /** Looks at the counts again, for each call that is waiting. */
  readonly #waiting = new Set<() => void>();
  #error: Error | undefined;

  /** Made by `flood`. */
  constructor(count: number, target: TestClientTarget, options: FloodOptions) {
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT_MS;
    this.#counts = { connecting: count, open: 0, refused: 0, reset: 0, ended: 0, answered: 0 };
    this.#sockets = Array.from({ length: count }, (_, index) => this.#open(index, target, options));
  }

  /** As it is now. */
  get counts(): FloodCounts {
    return { ...this.#counts };
  }

  /**
   * Waits until `predicate` is true of the counts.
   *
   * @throws FloodError when that is not so within the time limit.
   */
  waitFor(predicate: (counts: FloodCounts) => boolean, { timeout = this.#timeout }: TimeLimit = {}): Promise<void> {
    // Taken here, where the test's own line is still on the stack.
    const caller = new Error();
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        stopTimer(timer);
        this.#waiting.delete(look);
        done();
      };
      const look = () => {
        if (this.#error !== undefined) settle(() => reject(this.#error));
        else if (predicate(this.counts)) settle(resolve);
      };
      const timer = startTimer(() => {
        const problem = `it did not become true within ${timeout} ms that ${words(predicate)}: ${this}`;
        settle(() => reject(new FloodError(problem, caller)));
      }, timeout);
      this.#waiting.add(look);
      look();
    });
  }

  /** Closes all, and is done when all are closed. */
  async close(): Promise<void> {
    const open = this.#sockets.filter(({ closed }) => !closed);
    await Promise.all(
      open.map(async (socket) => {
        socket.destroy();
        await once(socket, 'close');
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** `'100 clients: 10 open, 90 reset; 10 answered'` */
  toString(): string {
    const { answered, ...states } = this.#counts;
    const parts = Object.entries(states).filter(([, count]) => count > 0);
    const became = parts.map(([state, count]) => `${count} ${state}`).join(', ');
    return `${this.#sockets.length} clients: ${became}; ${answered} answered`;
  }

  #open(index: number, target: TestClientTarget, { localAddress, send }: FloodOptions): Socket {
    const from = typeof localAddress === 'function' ? localAddress(index) : localAddress;
    const where =
      'path' in target
        ? { path: target.path }
        : { port: target.port, host: target.host ?? '127.0.0.1', ...(from !== undefined && { localAddress: from }) };
    const socket = connect(where);
    let state: FloodState = 'connecting';
    let answered = false;
    const become = (next: FloodState) => {
      // What ended in good order may still fail to send.
      if (state !== 'connecting' && state !== 'open') return;
      this.#counts[state] -= 1;
      this.#counts[next] += 1;
      state = next;
      this.#changed();
    };
    return socket
      .on('connect', () => {
        become('open');
        if (send !== undefined) socket.write(send);
      })
      .on('data', () => {
        if (answered) return;
        answered = true;
        this.#counts.answered += 1;
        this.#changed();
      })
      .on('end', () => become('ended'))
      .on('error', (error: NodeJS.ErrnoException) => {
        const outcome = OUTCOMES[error.code ?? ''];
        if (outcome === undefined) this.#error ??= error;
        become(outcome ?? 'refused');
      });
  }

  #changed(): void {
    for (const look of this.#waiting) look();
  }
}

function words(predicate: (counts: FloodCounts) => boolean): string {
  return predicate.toString().replace(/^\(.*?\)\s*=>\s*/s, '');
}
