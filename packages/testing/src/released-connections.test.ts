import { EventEmitter } from 'node:events';
import { Connection, lines, OnClose, OnConnection, OnData, Reagent } from '@reagent/core';
import { afterEach, describe, expect, it } from 'vitest';
import { certificates } from './certificates/certificates.js';
import { createTestApp } from './create-test-app.js';
import { LeakError } from './leak-error.js';
import type { TestApp } from './test-app.js';

const { server } = await certificates();

const members = new Set<Connection<string>>();
const news = new EventEmitter();
const timers: NodeJS.Timeout[] = [];

afterEach(() => {
  members.clear();
  news.removeAllListeners();
  for (const timer of timers.splice(0)) clearInterval(timer);
});

@Reagent({ port: 0, codec: lines() })
class Push {
  @OnData()
  answer(conn: Connection<string>, line: string) {
    conn.send(line);
  }
}

@Reagent({ port: 0, codec: lines(), secure: server, timeouts: { idle: 60_000 } })
class Pull {
  @OnConnection()
  async talk(conn: Connection<string>) {
    for await (const line of conn) conn.send(line);
  }
}

@Reagent({ port: 0, codec: lines(), scope: 'connection' })
class Scoped {
  constructor(private readonly conn: Connection<string>) {}

  @OnData()
  async answer(_conn: Connection<string>, line: string) {
    await null;
    this.conn.send(line);
  }

  @OnClose()
  bye() {}
}

@Reagent({ port: 0 })
class Streamed {
  @OnConnection()
  async talk(conn: Connection) {
    conn.stream.pipe(conn.stream);
    await conn.closed;
  }
}

@Reagent({ port: 0, codec: lines() })
class Failing {
  @OnData()
  async fail(conn: Connection<string>, line: string) {
    conn.send(line);
    await null;
    throw new Error('no paper');
  }
}

@Reagent({ port: 0, codec: lines() })
class Room {
  @OnData()
  join(conn: Connection<string>, line: string) {
    members.add(conn);
    conn.send(line);
  }
}

@Reagent({ port: 0, codec: lines() })
class Subscriber {
  @OnData()
  subscribe(conn: Connection<string>, line: string) {
    news.on('news', () => conn.send('news'));
    conn.send(line);
  }
}

@Reagent({ port: 0, codec: lines() })
class Ticker {
  @OnData()
  tick(conn: Connection<string>, line: string) {
    timers.push(setInterval(() => conn.send('tick'), 60_000).unref());
    conn.send(line);
  }
}

/** A client that ends its side, and one that resets. */
async function visit(app: TestApp): Promise<void> {
  const [listener] = app.application.listeners;
  if (listener === undefined) throw new Error('no listener');
  for (const leave of ['end', 'reset'] as const) {
    const client = await app.connect(listener.name);
    await client.send('hello\n');
    await client.receive('hello\n');
    await client[leave]();
    await client.closed();
  }
  await listener.waitForConnections((open) => open === 0);
}

describe.each(['tcp', 'unix', 'memory'] as const)('over %s', (transport) => {
  it.each([{ Class: Push }, { Class: Pull }, { Class: Scoped }, { Class: Streamed }, { Class: Failing }])(
    'nothing holds what has closed: $Class.name',
    async ({ Class }) => {
      await using app = await createTestApp(Class, { transport, allow: ['errors'] }).start();
      await visit(app);
      await app.expectReleased();
    },
  );

  it.each([{ Class: Room }, { Class: Subscriber }, { Class: Ticker }])(
    'what holds what has closed fails the test: $Class.name',
    async ({ Class }) => {
      await using app = await createTestApp(Class, { transport }).start();
      await visit(app);
      const error = await app.expectReleased({ timeout: 1 }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(LeakError);
      expect(String(error)).toMatch(/something still holds 2 of them.*@OnClose/);
      expect(String(error)).toMatch(new RegExp(`\\n {2}- connection \\d+ of ${Class.name}`));
    },
  );
});

it('what is open may be held, and what is closed later is waited for', async () => {
  await using app = await createTestApp(Room).start();
  const client = await app.connect(Room);
  await client.send('hello\n');
  await client.receive('hello\n');
  await app.expectReleased();
  await client.end();
  await client.closed();
  const released = app.expectReleased();
  members.clear();
  await released;
});

it.each(['idle', 'send'] as const)('errors do not hold what has closed: after %s', async (limit) => {
  await using app = await createTestApp(Push, { descriptors: { Push: { timeouts: { [limit]: 20 } } } }).start();
  const client = await app.connect(Push);
  client.pause();
  if (limit === 'send') app.listener(Push).broadcast('x'.repeat(16_777_216));
  await app.listener(Push).waitForConnections((open) => open === 0);
  await app.expectReleased();
});

it('events tell of connections that are gone what they were', async () => {
  await using app = await createTestApp(Scoped).start();
  await visit(app);
  await app.expectReleased();
  const closed = app.events.filter(({ name }) => name === 'reagent:connection:close');
  expect(closed).toMatchObject([
    {
      message: {
        connection: { bytesRead: 6, bytesWritten: 6, remote: { address: '127.0.0.1' } },
        reason: { kind: 'client' },
      },
    },
    { message: { connection: { bytesRead: 6 }, reason: { kind: 'reset' } } },
  ]);
});
