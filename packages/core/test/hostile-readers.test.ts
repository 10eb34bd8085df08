// Clients that never read what they are sent, and clients that never stop to send: at each kind of listener, in whatever way it sends.

import { truncate, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { type CloseReason, type Connection, lines, OnClose, OnData, Reagent } from '@reagent/core';
import { describe, expect, it } from 'vitest';
import { type Front, fronts } from './support/fronts.js';
import { memoryInUse, memoryIsBackAt } from './support/memory.js';
import { Scene } from './support/scene.js';
import { TemporaryDirectory } from './support/temporary-directory.js';

const MEBIBYTE = 1_048_576;

/** More than the kernel keeps for both ends of a connection. */
const MUCH = 32 * MEBIBYTE;

/** Milliseconds in which a client is to take something. */
const LIMIT = 500;

const directory = await TemporaryDirectory.make();
const file = directory.at('large');
await writeFile(file, '');
await truncate(file, MUCH);

async function* endlessly(): AsyncGenerator<Buffer> {
  for (;;) yield Buffer.alloc(65_536);
}

/** What is sent to whom asks for it. */
const ways: Readonly<Record<string, (conn: Connection<string>) => unknown>> = {
  all: (conn) => conn.send('x'.repeat(MUCH)),
  'all and the end': (conn) => {
    conn.send('x'.repeat(MUCH));
    conn.close();
  },
  file: (conn) => conn.sendFile(file),
  parts: async (conn) => {
    while (!conn.signal.aborted) if (!conn.send('x'.repeat(65_536))) await conn.drained();
  },
  stream: (conn) =>
    void Readable.from(endlessly())
      .on('error', () => {})
      .pipe(conn.stream),
};

interface End {
  readonly way: unknown;
  readonly reason: CloseReason;
}

function sender() {
  const ends: End[] = [];

  @Reagent({ port: 0, codec: lines(), timeouts: { send: LIMIT } })
  class Sender {
    @OnData()
    async answer(conn: Connection<string>, line: string): Promise<unknown> {
      conn.env.way = line.startsWith('x') ? 'echo' : line;
      if (line === 'bye') return conn.close();
      const way = ways[line];
      return way === undefined ? conn.send(line) : way(conn);
    }

    @OnClose()
    bye(conn: Connection<string>, reason: CloseReason) {
      ends.push({ way: conn.env.way, reason });
    }
  }

  return { Sender, ends };
}

/** Comes, is greeted, orders, and reads nothing any more. */
async function neverReading(scene: Scene, order: string | Buffer): Promise<void> {
  const client = await scene.come();
  await client.send('hello\n');
  await client.receive('hello\n');
  client.pause();
  // The server does not read all of an echo that nobody takes.
  client.write(order, { timeout: 60_000 }).catch(() => {});
}

/** Each of them is sent something in another way, or has what it sends echoed. */
async function areSentMuch(scene: Scene, ends: readonly End[]): Promise<number> {
  const echo = Buffer.from(`${'x'.repeat(1_023)}\n`.repeat(MUCH / 1_024));
  const orders = [...Object.keys(ways).map((way) => `${way}\n`), echo];
  await Promise.all(orders.map((order) => neverReading(scene, order)));
  await scene.honestAreServed();
  await scene.othersAreGone();
  const cutOff = ends.filter(({ reason }) => reason.kind === 'timeout');
  expect(cutOff.map(({ way }) => way).sort()).toEqual(['echo', ...Object.keys(ways)].sort());
  for (const { reason } of cutOff) expect(reason.error).toMatchObject({ step: 'send', timeout: LIMIT });
  return orders.length;
}

describe.each(fronts)('at a $name listener', (front: Front) => {
  it('clients that never read cost bounded memory and keep nobody waiting, whatever is sent to them, until they are cut off', async () => {
    const { Sender, ends } = sender();
    const before = memoryInUse();
    await using scene = await Scene.open(front, Sender);
    const count = await areSentMuch(scene, ends);
    expect(scene.listener.stats().bytes.in).toBeLessThan(MUCH);
    await scene.isOver({ closed: { timeout: count } });
    await memoryIsBackAt(before);
  });

  it('what is broadcast reaches those who read, and those who do not are cut off', async () => {
    @Reagent({ port: 0, timeouts: { send: LIMIT } })
    class Everyone {
      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }

    const before = memoryInUse();
    await using scene = await Scene.open(front, Everyone);
    for (let count = 0; count < 5; count += 1) await neverReading(scene, '');
    const message = Buffer.alloc(MEBIBYTE);
    for (let count = 0; count < MUCH / MEBIBYTE; count += 1) scene.listener.broadcast(message);
    await scene.honestAreServedDuring(scene.resident.receive(MUCH));
    await scene.isOver({ closed: { timeout: 5 } });
    await memoryIsBackAt(before);
  });

  it('clients that go on sending when all is over are cut off, and nothing of it is kept', async () => {
    const { Sender } = sender();
    const before = memoryInUse();
    await using scene = await Scene.open(front, Sender);
    const talking = (await scene.crowd(5)).map(async (client) => {
      await client.send('bye\n');
      for (;;) await client.send(Buffer.alloc(65_536));
    });
    const outcomes = await scene.honestAreServedDuring(Promise.allSettled(talking));
    expect(outcomes.map(({ status }) => status)).toEqual(Array(5).fill('rejected'));
    await scene.isOver({ closed: { server: 5 } });
    expect(scene.listener.stats().messages.in).toBeLessThan(1_000);
    await memoryIsBackAt(before);
  });
});
