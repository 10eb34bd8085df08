import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { MEMORY_CAPACITY, MemorySocket } from './memory-socket.js';

type End = Duplex & { resetAndClosing: boolean };
interface Pair {
  readonly server: End;
  readonly client: End;
}

const open: { destroy(): unknown }[] = [];
afterEach(() => {
  for (const end of open.splice(0)) end.destroy();
});

/** The model: two sockets of the system's. */
async function tcpPair(paused = false): Promise<Pair> {
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: paused }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const client = connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
  const [server] = (await once(listener, 'connection')) as [Socket];
  listener.close();
  return { server, client } as unknown as Pair;
}

async function memoryPair(): Promise<Pair> {
  return MemorySocket.pair({ address: '127.0.0.1', port: 1 }, { address: '127.0.0.1', port: 2 });
}

function ended(end: Duplex): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    end.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    end.on('end', () => resolve(`${text}|end`));
    end.on('error', (error: NodeJS.ErrnoException) => resolve(`${text}|${error.code}`));
  });
}

describe.each([
  ['the system', tcpPair],
  ['memory', memoryPair],
])('two sockets of %s', (_, pair) => {
  async function opened(paused = false): Promise<Pair> {
    const ends = await pair(paused);
    open.push(ends.server, ends.client);
    for (const end of [ends.server, ends.client]) end.on('error', () => {});
    return ends;
  }

  it('carry bytes both ways, and each side ends by itself', async () => {
    const { server, client } = await opened();
    const [atServer, atClient] = [ended(server), ended(client)];
    client.write('one');
    client.end('two');
    expect(await atServer).toBe('onetwo|end');
    server.end('three');
    expect(await atClient).toBe('three|end');
    await Promise.all([server, client].map((end) => end.destroyed || once(end, 'close')));
  });

  it('deliver nothing in the turn in which it is sent', async () => {
    const { server, client } = await opened();
    let arrived = false;
    server.on('data', () => {
      arrived = true;
    });
    client.write('x');
    await Promise.resolve();
    expect(arrived).toBe(false);
    await once(server, 'data');
  });

  it('let a bounded number of bytes wait for a peer that does not read, and lose none', async () => {
    const { server, client } = await opened();
    const all = Buffer.alloc(32 * 1024 * 1024, 'abc');
    let taken = false;
    client.write(all, () => {
      taken = true;
    });
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(taken).toBe(false);
    let received = 0;
    server.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    client.end();
    await once(server, 'end');
    expect(received).toBe(all.length);
  });

  it('tell of a reset, which drops what was not read', async () => {
    const { server, client } = await opened();
    const atServer = ended(server);
    client.write('lost');
    // Node.js's own `resetAndDestroy` sends what is left first.
    client.resetAndClosing = true;
    client.destroy();
    expect(await atServer).toMatch(/^(lost)?\|ECONNRESET$/);
  });

  it('reset the peer if they are closed over bytes that were not read', async () => {
    const { server, client } = await opened(true);
    const atClient = ended(client);
    client.write('never read');
    await new Promise((resolve) => setTimeout(resolve, 10));
    server.destroy();
    expect(await atClient).toBe('|ECONNRESET');
  });

  it('reset whoever writes to a peer that has closed', async () => {
    const { server, client } = await opened();
    client.resume();
    server.destroy();
    await once(client, 'end');
    const failed = new Promise((resolve) => client.once('close', resolve));
    let code: string | undefined;
    client.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code;
    });
    client.write('into the void');
    await new Promise((resolve) => setTimeout(resolve, 10));
    client.write('once more');
    await failed;
    expect(['ECONNRESET', 'EPIPE']).toContain(code);
  });
});

it('in memory, as many bytes wait as the capacity says', () => {
  const { server, client } = MemorySocket.pair({ address: '', port: 1 }, { address: '', port: 2 });
  open.push(server, client);
  client.write(Buffer.alloc(MEMORY_CAPACITY + 1));
  expect(client.bytesWritten).toBe(MEMORY_CAPACITY);
});
