import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectSecure } from 'node:tls';
import { proxyHeader } from '@reagent/core';
import { clientHello } from '@reagent/testing';
import type { Random } from './random.js';

/** A listener of the server. */
export interface Target {
  readonly name: string;
  readonly port: number;
  readonly isProxied: boolean;
  readonly isSecure: boolean;
}

const hello = await clientHello();

/** One client of the soak: as thin as can be, since there are very many. */
export class SoakClient {
  readonly #target: Target;
  readonly #address: string;
  readonly #carrier: Socket;
  /** Resolves when the connection is gone, for whatever reason. */
  readonly closed: Promise<void>;
  #socket: Socket;

  private constructor(target: Target, address: string) {
    this.#target = target;
    this.#address = address;
    this.#carrier = connect({ port: target.port, host: '127.0.0.1', localAddress: address, allowHalfOpen: true });
    this.#socket = this.#carrier;
    this.#carrier.on('error', () => {});
    this.closed = new Promise((resolve) => this.#carrier.once('close', () => resolve()));
  }

  /** Connects, and no more. A server that resets at once has been reached too. */
  static async connect(target: Target, address: string, counted: (target: Target) => void): Promise<SoakClient> {
    const client = new SoakClient(target, address);
    await new Promise<void>((resolve) => {
      const carrier = client.#carrier;
      const reached = (): void => {
        carrier.off('error', failed);
        counted(target);
        resolve();
      };
      const failed = (error: NodeJS.ErrnoException): void => {
        // The server may reset before the client has noticed that it is connected.
        if (error.code === 'ECONNRESET') counted(target);
        resolve();
      };
      carrier.once('connect', reached).once('error', failed);
    });
    return client;
  }

  get isOpen(): boolean {
    return !this.#carrier.destroyed;
  }

  /** Sends the PROXY header and shakes hands, where that is to be done. */
  async enter(): Promise<void> {
    if (this.#target.isProxied) this.write(this.#header());
    if (!this.#target.isSecure || !this.isOpen) return;
    const socket = connectSecure({ socket: this.#carrier, rejectUnauthorized: false });
    this.#socket = socket.on('error', () => {});
    await Promise.race([once(socket, 'secureConnect').catch(() => {}), this.closed]);
  }

  #header(): Buffer {
    const source = { address: this.#address, port: 50_000 };
    return proxyHeader({ version: 2, source, destination: { address: '127.0.0.1', port: 80 } });
  }

  /** What it should say first: its header, a ClientHello, or a line. */
  opening(): Buffer {
    if (this.#target.isProxied) return this.#header();
    return this.#target.isSecure ? hello : Buffer.from('hello\n');
  }

  write(data: string | Uint8Array): void {
    if (this.isOpen) this.#socket.write(data);
  }

  /** Reads and forgets. */
  read(): void {
    this.#socket.resume();
  }

  end(): void {
    if (this.isOpen) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  reset(): void {
    // From the top: Node.js crashes where TLS is destroyed over a socket that was reset.
    (this.#carrier as Socket & { resetAndClosing: boolean }).resetAndClosing = true;
    this.#socket.destroy();
  }

  /** The next that comes; `undefined` if nothing comes any more. */
  receive(): Promise<string | undefined> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      const settle = (answer?: unknown): void => {
        socket.off('data', settle).off('end', settle).off('close', settle);
        resolve(answer instanceof Buffer ? String(answer) : undefined);
      };
      socket.on('data', settle).on('end', settle).on('close', settle);
    });
  }

  /** Waits until it is cut off, but no longer than that; then it leaves. */
  async outstay(milliseconds: number): Promise<void> {
    await Promise.race([this.closed, delay(milliseconds)]);
    this.destroy();
    await this.closed;
  }
}

type Misdeed = (client: SoakClient, random: Random) => Promise<void>;

const garbage: readonly (string | Uint8Array)[] = [
  'GET / HTTP/1.1\r\n\r\n',
  'PROXY TCP4 1 2 3 4\r\n',
  'x'.repeat(10_000),
  Buffer.alloc(500),
  hello,
  Buffer.from('160301ffff0100', 'hex'),
];

/** How clients misbehave. Each is over when the connection is. */
export const misdeeds: Readonly<Record<string, Misdeed>> = {
  silence: async (client, random) => client.outstay(random.below(4_000)),
  half: async (client) => {
    const opening = client.opening();
    client.write(opening.subarray(0, opening.length / 2));
    client.read();
    await client.outstay(4_000);
  },
  drip: async (client, random) => {
    client.read();
    for (const byte of client.opening().subarray(0, 20 + random.below(20))) {
      if (!client.isOpen) break;
      client.write(Buffer.of(byte));
      await delay(30);
    }
    client.reset();
    await client.closed;
  },
  garbage: async (client, random) => {
    client.write(random.pick(garbage));
    client.read();
    client.end();
    await client.outstay(2_000);
  },
  'garbage inside': async (client, random) => {
    await client.enter();
    client.write(random.pick(garbage));
    client.read();
    client.end();
    await client.outstay(2_000);
  },
  'never reads': async (client, random) => {
    await client.enter();
    client.write(random.pick(['pour\n', 'file\n', 'wait\npour\n']));
    await client.outstay(2_500);
  },
  'reset at once': async (client) => client.reset(),
  'reset in the opening': async (client, random) => {
    const opening = client.opening();
    client.write(opening.subarray(0, random.below(opening.length + 1)));
    await delay(random.below(5));
    client.reset();
    await client.closed;
  },
  'reset inside': async (client, random) => {
    await client.enter();
    client.read();
    client.write(
      random.pick(['hel', 'hello\n', 'wait\n', 'recv\n', 'pour\n', 'file\n', 'starttls\n', 'bye\n', 'throw\n']),
    );
    await delay(random.below(30));
    client.reset();
    await client.closed;
  },
  'leaves inside': async (client, random) => {
    await client.enter();
    client.read();
    client.write(random.pick(['hello\n', 'wait\n', 'recv\n', 'bye\n', 'throw\n']));
    if (random.next() < 0.5) client.end();
    else client.destroy();
    await client.outstay(2_000);
  },
  'stalls in STARTTLS': async (client) => {
    await client.enter();
    client.read();
    client.write('starttls\n');
    await client.outstay(3_000);
  },
  'goes on when all is over': async (client) => {
    await client.enter();
    client.write('bye\n');
    client.read();
    for (let count = 0; count < 50 && client.isOpen; count += 1) {
      client.write('and another thing\n');
      await delay(20);
    }
    await client.outstay(2_000);
  },
};
