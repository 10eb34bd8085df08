import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Connection, lines, OnConnection, OnData, Reagent } from '@reagent/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackpressureError } from './backpressure-error.js';
import { createTestApp, type TestAppOptions } from './create-test-app.js';
import type { TestApp } from './test-app.js';

/** More than the system keeps for a connection. */
const COUNT = 20_000;
const ROW = 'x'.repeat(1_000);

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reagent-'));
  await writeFile(join(directory, 'large'), '');
  await truncate(join(directory, 'large'), COUNT * ROW.length);
});

afterAll(() => rm(directory, { recursive: true }));

/** In which ways a table can be sent. */
const ways: Readonly<Record<string, (conn: Connection<string>) => void | Promise<unknown>>> = {
  async waiting(conn) {
    for (let row = 0; row < COUNT; row += 1) if (!conn.send(ROW)) await conn.drained();
  },
  'as a file': (conn) => conn.sendFile(join(directory, 'large')),
  'as a stream': (conn) => void Readable.from(Array(COUNT).fill(ROW)).pipe(conn.stream),
  resetting(conn) {
    for (let row = 0; row < COUNT; row += 1) if (!conn.send(ROW)) return conn.reset();
  },
  'at once'(conn) {
    for (let row = 0; row < COUNT; row += 1) conn.send(ROW);
  },
  async 'bit by bit'(conn) {
    for (let row = 0; row < COUNT && !conn.signal.aborted; row += 1) {
      conn.send(ROW);
      if (row % 100 === 0) await nextTurn();
    }
  },
  'in the background'(conn) {
    void ways['bit by bit']?.(conn);
  },
  'without end'(conn) {
    for (;;) conn.send(ROW);
  },
  little: (conn) => void conn.send(ROW),
};

@Reagent({ port: 0, codec: lines() })
class Table {
  @OnData()
  send(conn: Connection<string>, way: string) {
    return ways[way]?.(conn);
  }
}

async function slowReader(app: TestApp, way: string) {
  const client = await app.connect(Table);
  client.pause();
  await client.send(`${way}\n`);
  return client;
}

function start(options: TestAppOptions) {
  return createTestApp(Table, options).start();
}

describe.each(['tcp', 'unix', 'memory'] as const)('over %s', (transport) => {
  it.each(['waiting', 'as a file', 'as a stream', 'resetting'])('who sends a table %s passes', async (way) => {
    await using app = await start({ transport });
    await slowReader(app, way);
    await app.expectBackpressure();
  });

  it.each(['at once', 'bit by bit', 'in the background'])('who sends a table %s fails, with the line', async (way) => {
    await using app = await start({ transport });
    await slowReader(app, way);
    const error = await app.expectBackpressure().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BackpressureError);
    expect(String(error)).toMatch(
      /but more than 1048576 bytes wait to be sent: where send\(\) returns false, await conn\.drained\(\)/,
    );
    expect(String(error)).toMatch(/\n {2}\d+ bytes wait for connection \d+ of Table/);
    expect(String(error)).toMatch(/more was sent\n +at .*send-limit\.test\.ts/);
  });
});

it('a table that was waited for arrives whole afterwards', async () => {
  await using app = await start({ transport: 'memory' });
  const client = await slowReader(app, 'waiting');
  await app.expectBackpressure();
  client.resume();
  await client.receive(COUNT * (ROW.length + 1));
});

it('a loop without end ends where it sends, and fails the test', async () => {
  const app = await start({ transport: 'memory', sendLimit: 1_000_000 });
  const client = await slowReader(app, 'without end');
  client.resume();
  await client.closed();
  await expect(app.stop()).rejects.toThrow(
    /BackpressureError: more than 1000000 bytes wait[^\n]*\n[^\n]*connected at .*send-limit\.test\.ts[^\n]*\n +at Object\.without end .*send-limit\.test\.ts/,
  );
});

it('a limit that is not reached stops nobody', async () => {
  await using app = await start({ transport: 'memory', sendLimit: Infinity });
  const client = await slowReader(app, 'at once');
  await app.expectBackpressure({ limit: 100_000_000 });
  client.resume();
  await client.receive(COUNT * (ROW.length + 1), { timeout: 20_000 });
});

it('where too little is sent, it says what to do', async () => {
  await using app = await start({ transport: 'memory' });
  await slowReader(app, 'little');
  await expect(app.expectBackpressure({ timeout: 20 })).rejects.toThrow(
    /within 20 ms nothing waits to be sent: pause a client/,
  );
});

it('what goes on all the time does not count as waiting', async () => {
  await using app = await start({ transport: 'memory' });
  await slowReader(app, 'waiting');
  await expect(app.expectBackpressure({ quiet: 1_000, timeout: 20 })).rejects.toThrow(
    /within 20 ms what waits has not come to rest\n {2}\d+ bytes wait for connection/,
  );
});

it('a pull-style handler that answers what it reads is held up without its doing', async () => {
  @Reagent({ port: 0, codec: lines() })
  class Echo {
    @OnConnection()
    async echo(conn: Connection<string>) {
      for await (const line of conn) conn.send(line);
    }
  }
  await using app = await createTestApp(Echo).start();
  const client = await app.connect(Echo);
  client.pause();
  const sent = client.send(`${ROW}\n`.repeat(COUNT), { timeout: 60_000 });
  await app.expectBackpressure();
  client.resume();
  await sent;
  await client.receive(COUNT * (ROW.length + 1));
});
