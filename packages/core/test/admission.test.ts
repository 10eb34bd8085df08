// Who is let in, who waits, and who is turned away.

import { type Connection, type Incoming, OnAccept, OnConnection, OnData, OnTimeout, Reagent } from '@reagent/core';
import { createTestApp, type TestApp, type TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Gate } from './support/gate.js';
import { leave } from './support/leave.js';
import { Mailbox } from './support/mailbox.js';
import { until } from './support/until.js';

@Reagent({ port: 0, maxConnections: 1 })
class Echo {
  @OnConnection()
  hello(conn: Connection) {
    conn.send('hello\n');
  }

  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

/** Connects a client that finds no room, and returns when it is in the queue. */
async function connectWaiting(app: TestApp, reagent: typeof Echo | string = Echo): Promise<TestClient> {
  const { connections } = app.listener(reagent).stats();
  const client = await app.connect(reagent);
  await until(() => app.listener(reagent).stats().connections.waiting === connections.waiting + 1);
  return client;
}

/** Closes when the server does, as most clients do. */
async function sendAndLeave(client: TestClient, order: string): Promise<void> {
  await client.send(order);
  await leave(client);
}

async function isServed(client: TestClient): Promise<void> {
  await client.receive('hello\n');
}

describe('maxConnections', () => {
  it('is never exceeded, however many connect at once, and all are served in the end', async () => {
    const gate = new Gate();
    const counts: number[] = [];

    @Reagent({ port: 0, maxConnections: 3 })
    class Slow {
      @OnConnection()
      async handle(conn: Connection) {
        counts.push(conn.listener.stats().connections.active);
        await gate.passed();
        conn.send('served');
      }
    }

    await using app = await createTestApp(Slow).start();
    const clients = await Promise.all(Array.from({ length: 20 }, () => app.connect(Slow)));
    await until(() => app.listener(Slow).stats().connections.waiting === 17);
    expect(gate.waiting).toBe(3);
    expect(app.listener(Slow).stats().connections.active).toBe(3);

    const leaving = clients.map(async (client) => {
      await client.receive('served');
      await leave(client);
    });
    for (let served = 0; served < 20; served += 1) {
      await until(() => gate.waiting > 0);
      expect(gate.waiting).toBeLessThanOrEqual(3);
      gate.letOneThrough();
    }
    await Promise.all(leaving);
    expect(counts).toHaveLength(20);
    expect(Math.max(...counts)).toBe(3);
  });

  it('keeps a client that waits connected and unread, and serves what it sent meanwhile', async () => {
    await using app = await createTestApp(Echo).start();
    const first = await app.connect(Echo);
    await isServed(first);
    const second = await connectWaiting(app);
    await second.send('early');
    await second.expectNothing(20);
    first.destroy();
    await second.receive('hello\nearly');
  });

  it('serves a client that sent its request and its FIN while it waited', async () => {
    await using app = await createTestApp(Echo).start();
    const first = await app.connect(Echo);
    await isServed(first);
    const second = await connectWaiting(app);
    await second.send('early');
    await second.end();
    first.destroy();
    await second.receive('hello\nearly');
    expect(await second.closed()).toBe('end');
  });

  it('lets waiting clients in first come, first served', async () => {
    const served = new Mailbox<number>();

    @Reagent({ port: 0, maxConnections: 1 })
    class Ordered {
      @OnConnection()
      async handle(conn: Connection) {
        served.put(conn.remote.port);
        await conn.recv();
      }
    }

    await using app = await createTestApp(Ordered).start();
    const clients = [await app.connect(Ordered)];
    await served.take();
    for (let waiting = 1; waiting <= 5; waiting += 1) {
      clients.push(await app.connect(Ordered));
      await until(() => app.listener(Ordered).stats().connections.waiting === waiting);
    }
    for (const client of clients) await client.end();
    await served.takeMany(5);
    expect(served.all).toEqual(clients.map((client) => client.localPort));
  });

  it.each([
    ['the client ends', (client: TestClient) => client.end()],
    ['the client resets', (client: TestClient) => client.reset()],
    ['the server closes', (client: TestClient) => sendAndLeave(client, 'close')],
    ['the server resets', (client: TestClient) => client.send('reset')],
    ['a hook throws', (client: TestClient) => sendAndLeave(client, 'throw')],
    ['an async hook rejects', (client: TestClient) => sendAndLeave(client, 'reject')],
    ['a connection is exempted', (client: TestClient) => client.send('exempt')],
  ])('wakes the next one up when %s', async (_, leave) => {
    @Reagent({ port: 0, maxConnections: 1 })
    class Obedient {
      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello\n');
      }

      @OnData()
      obey(conn: Connection, data: Buffer) {
        const order = String(data);
        if (order === 'close') conn.close();
        if (order === 'reset') conn.reset();
        if (order === 'exempt') conn.exempt();
        if (order === 'throw') throw new Error('told to');
        if (order === 'reject') return Promise.reject(new Error('told to'));
        return undefined;
      }
    }

    await using app = await createTestApp(Obedient).start();
    const [first, second] = [await app.connect(Obedient), await app.connect(Obedient)];
    await isServed(first);
    await until(() => app.listener(Obedient).stats().connections.waiting === 1);
    await leave(first);
    await isServed(second);
  });

  it('wakes the next one up when OnConnection throws', async () => {
    const gate = new Gate();

    @Reagent({ port: 0, maxConnections: 1 })
    class FirstFails {
      #seen = 0;

      @OnConnection()
      async handle(conn: Connection) {
        this.#seen += 1;
        if (this.#seen === 1) {
          await gate.passed();
          throw new Error('the first one fails');
        }
        conn.send('hello\n');
      }
    }

    await using app = await createTestApp(FirstFails).start();
    const first = await app.connect(FirstFails);
    const second = await app.connect(FirstFails);
    await until(() => app.listener(FirstFails).stats().connections.waiting === 1);
    gate.open();
    await leave(first);
    await isServed(second);
  });

  it.each(['rejects', 'throws'])('wakes the next one up when OnAccept %s', async (how) => {
    const gate = new Gate();
    let asked = 0;

    @Reagent({ port: 0, maxConnections: 1 })
    class Selective {
      @OnAccept()
      async admit(incoming: Incoming) {
        asked += 1;
        if (asked > 1) return;
        await gate.passed();
        if (how === 'throws') throw new Error('not this one');
        incoming.reject();
      }

      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello\n');
      }
    }

    await using app = await createTestApp(Selective).start();
    const first = await app.connect(Selective);
    const second = await app.connect(Selective);
    await until(() => app.listener(Selective).stats().connections.waiting === 1);
    gate.open();
    expect(await first.closed()).toBe('reset');
    await isServed(second);
  });

  it('passes over a client that left while it waited', async () => {
    await using app = await createTestApp(Echo).start();
    const first = await app.connect(Echo);
    await isServed(first);
    const second = await connectWaiting(app);
    const third = await connectWaiting(app);
    second.reset();
    first.destroy();
    await isServed(third);
  });

  it('counts admitted connections exactly when clients reset at once', async () => {
    await using app = await createTestApp(Echo).start();
    for (let round = 0; round < 20; round += 1) {
      const client = await app.connect(Echo);
      if (round % 2 === 0) await client.send('x');
      client.reset();
    }
    await app.listener(Echo).waitForConnections((connections) => connections === 0, { timeout: 4_000 });
    await until(() => app.listener(Echo).stats().connections.waiting === 0);
    await isServed(await app.connect(Echo));
    expect(app.listener(Echo).stats().connections.active).toBe(1);
  });
});

describe('maxWaiting', () => {
  it('bounds the queue: beyond it, clients are reset and counted', async () => {
    await using app = await createTestApp(Echo, { descriptors: { Echo: { maxWaiting: 2 } } }).start();
    const first = await app.connect(Echo);
    await isServed(first);
    const second = await connectWaiting(app);
    const third = await connectWaiting(app);
    const beyond = await app.connect(Echo);
    expect(await beyond.closed()).toBe('reset');
    expect(app.listener(Echo).stats().connections).toMatchObject({
      active: 1,
      waiting: 2,
      rejected: { maxConnections: 1 },
    });

    first.destroy();
    await isServed(second);
    second.destroy();
    await isServed(third);
  });

  it('0 turns everybody away who finds no room', async () => {
    await using app = await createTestApp(Echo, { descriptors: { Echo: { maxWaiting: 0 } } }).start();
    const first = await app.connect(Echo);
    await isServed(first);
    expect(await (await app.connect(Echo)).closed()).toBe('reset');
    first.destroy();
    await app.listener(Echo).waitForConnections((connections) => connections === 0);
    await isServed(await app.connect(Echo));
  });
});

describe('timeouts.wait', () => {
  it('turns a client away that has waited so long, and keeps the others', async () => {
    await using app = await createTestApp(Echo, { descriptors: { Echo: { timeouts: { wait: 50 } } } }).start();
    const first = await app.connect(Echo);
    await isServed(first);
    const second = await app.connect(Echo);
    expect(await second.closed()).toBe('reset');
    expect(app.listener(Echo).stats().connections).toMatchObject({ active: 1, waiting: 0, rejected: { wait: 1 } });
    await first.send('still here');
    await first.receive('still here');
    first.destroy();
    await isServed(await app.connect(Echo));
  });
});

describe('maxConnections changed at run time', () => {
  async function full(maxConnections: number, waiting: number): Promise<{ app: TestApp; clients: TestClient[] }> {
    const app = await createTestApp(Echo, { descriptors: { Echo: { maxConnections } } }).start();
    const clients: TestClient[] = [];
    for (let count = 0; count < maxConnections; count += 1) {
      const client = await app.connect(Echo);
      await isServed(client);
      clients.push(client);
    }
    for (let count = 0; count < waiting; count += 1) clients.push(await connectWaiting(app));
    return { app, clients };
  }

  it('lets waiters in at once when it is raised, and no more than that', async () => {
    const { app, clients } = await full(1, 3);
    await using _ = app;
    app.listener(Echo).maxConnections = 3;
    await isServed(clients[1] as TestClient);
    await isServed(clients[2] as TestClient);
    expect(app.listener(Echo).stats().connections).toMatchObject({ active: 3, waiting: 1 });
    expect(app.listener(Echo).maxConnections).toBe(3);
  });

  it('lets all in when it becomes Infinity', async () => {
    const { app, clients } = await full(2, 5);
    await using _ = app;
    app.listener(Echo).maxConnections = Number.POSITIVE_INFINITY;
    for (const client of clients.slice(2)) await isServed(client);
  });

  it('closes nothing when it is lowered, and lets nobody in until enough have left', async () => {
    const { app, clients } = await full(3, 1);
    await using _ = app;
    const listener = app.listener(Echo);
    listener.maxConnections = 1;
    for (const client of clients.slice(0, 3)) {
      await client.send('still here');
      await client.receive('still here');
    }
    clients[0]?.destroy();
    await listener.waitForConnections((connections) => connections === 2);
    clients[1]?.destroy();
    await listener.waitForConnections((connections) => connections === 1);
    expect(listener.stats().connections).toMatchObject({ active: 1, waiting: 1 });
    clients[2]?.destroy();
    await isServed(clients[3] as TestClient);
  });

  it('refuses a value that is no limit', async () => {
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    for (const value of [0, -1, 1.5, Number.NaN]) {
      expect(() => {
        listener.maxConnections = value;
      }).toThrow(/maxConnections/);
    }
    expect(listener.maxConnections).toBe(1);
  });
});

describe('exempt', () => {
  it('takes a connection out of the count once, however often it is called and when it closes', async () => {
    @Reagent({ port: 0, maxConnections: 1 })
    class Exempting {
      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello\n');
      }

      @OnData()
      exempt(conn: Connection) {
        conn.exempt();
        conn.exempt();
        conn.send('exempt\n');
      }
    }

    await using app = await createTestApp(Exempting).start();
    const listener = app.listener(Exempting);
    const first = await app.connect(Exempting);
    await isServed(first);
    await first.send('please');
    await first.receive('exempt\n');
    const second = await app.connect(Exempting);
    await isServed(second);
    const third = await app.connect(Exempting);
    await until(() => listener.stats().connections.waiting === 1);
    expect(listener.connections.size).toBe(2);

    first.destroy();
    await until(() => listener.connections.size === 1);
    expect(listener.stats().connections.waiting).toBe(1);
    second.destroy();
    await isServed(third);
  });
});

describe('maxConnectionsPerIp', () => {
  it('resets and counts those of one address over the limit, and no others', async () => {
    const limits = { maxConnections: 10, maxConnectionsPerIp: 2 };
    await using app = await createTestApp(Echo, { descriptors: { Echo: limits } }).start();
    const first = await app.connect(Echo);
    await isServed(first);
    await isServed(await app.connect(Echo));
    expect(await (await app.connect(Echo)).closed()).toBe('reset');
    expect(app.listener(Echo).stats().connections.rejected.maxConnectionsPerIp).toBe(1);
    await isServed(await app.connect(Echo, { localAddress: '127.0.0.2' }));

    first.destroy();
    await app.listener(Echo).waitForConnections((connections) => connections === 2);
    await isServed(await app.connect(Echo));
  });

  it('counts those that wait as well', async () => {
    const limits = { maxConnections: 1, maxConnectionsPerIp: 2 };
    await using app = await createTestApp(Echo, { descriptors: { Echo: limits } }).start();
    const first = await app.connect(Echo);
    await isServed(first);
    const second = await connectWaiting(app);
    expect(await (await app.connect(Echo)).closed()).toBe('reset');
    expect(app.listener(Echo).stats().connections.rejected.maxConnectionsPerIp).toBe(1);
    first.destroy();
    await isServed(second);
  });
});

describe('acceptRate', () => {
  it('resets and counts those of one address that come too fast, and no others', async () => {
    const limits = { maxConnections: 10, acceptRate: { perIp: 2, interval: 60_000 } };
    await using app = await createTestApp(Echo, { descriptors: { Echo: limits } }).start();
    await isServed(await app.connect(Echo));
    await isServed(await app.connect(Echo));
    expect(await (await app.connect(Echo)).closed()).toBe('reset');
    expect(app.listener(Echo).stats().connections.rejected.acceptRate).toBe(1);
    await isServed(await app.connect(Echo, { localAddress: '127.0.0.2' }));
  });

  it('allows a burst after a quiet time', async () => {
    const limits = { maxConnections: 10, acceptRate: { perIp: 1, interval: 60_000, burst: 3 } };
    await using app = await createTestApp(Echo, { descriptors: { Echo: limits } }).start();
    for (let count = 0; count < 3; count += 1) await isServed(await app.connect(Echo));
    expect(await (await app.connect(Echo)).closed()).toBe('reset');
  });

  it('lets an address in again as time goes by', async () => {
    const limits = { maxConnections: 100, acceptRate: { perIp: 1, interval: 40 } };
    await using app = await createTestApp(Echo, { descriptors: { Echo: limits } }).start();
    await isServed(await app.connect(Echo));
    const { connections } = app.listener(Echo);
    let attempts = 0;
    while (connections.size < 2 && attempts < 10_000) {
      attempts += 1;
      const client = await app.connect(Echo);
      await Promise.race([client.closed(), client.recv().catch(() => null)]);
    }
    expect(connections.size).toBe(2);
    expect(app.listener(Echo).stats().connections.rejected.acceptRate).toBeGreaterThan(0);
  });
});

it('counts what became of each client', async () => {
  const limits = { maxConnections: 10 };
  await using app = await createTestApp(Echo, { descriptors: { Echo: limits } }).start();
  const [first, second] = [await app.connect(Echo), await app.connect(Echo)];
  await isServed(first);
  await isServed(second);
  await first.end();
  await first.closed();
  second.reset();
  await app.listener(Echo).waitForConnections((connections) => connections === 0);
  expect(app.listener(Echo).stats().connections).toMatchObject({
    accepted: 2,
    active: 0,
    closed: { client: 1, reset: 1, server: 0, error: 0, timeout: 0, shutdown: 0 },
  });
});

it('wakes the next one up when an idle connection times out', async () => {
  const left = new Mailbox<string>();

  @Reagent({ port: 0, maxConnections: 1, timeouts: { idle: 50 } })
  class Impatient {
    @OnConnection()
    hello(conn: Connection) {
      conn.send('hello\n');
    }

    @OnData()
    ignore() {}

    @OnTimeout()
    late() {
      left.put('late');
    }
  }

  await using app = await createTestApp(Impatient).start();
  const first = await app.connect(Impatient);
  await isServed(first);
  const second = await app.connect(Impatient);
  expect(await left.take()).toBe('late');
  await leave(first);
  await isServed(second);
});
