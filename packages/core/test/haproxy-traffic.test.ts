// Bytes, ends and numbers of clients through HAProxy, and HAProxy reloaded or stopped in the middle of them.

import { type Connection, OnClose, OnConnection, OnData, OnShutdown, Reagent } from '@reagent/core';
import { createTestApp, TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Behind, behind, nothingIsLeft, rejected } from './support/behind.js';
import { Haproxy, noHaproxy, relay } from './support/haproxy.js';
import { Mailbox } from './support/mailbox.js';

const MEGABYTE = 1_048_576;

@Reagent({ port: 0, proxyProtocol: true })
class Push {
  readonly closed = new Mailbox<string>();

  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }

  @OnClose()
  bye(_: Connection, { kind }: { kind: string }) {
    this.closed.put(kind);
  }
}

@Reagent({ port: 0, proxyProtocol: true })
class Pull {
  @OnConnection()
  async echo(conn: Connection) {
    for await (const data of conn) {
      if (!conn.send(data)) await conn.drained();
    }
    conn.send('end');
  }
}

@Reagent({ port: 0, proxyProtocol: true })
class Polite extends Push {
  @OnShutdown()
  leave(conn: Connection) {
    conn.send('goodbye');
    conn.close();
  }
}

describe.skipIf(noHaproxy !== '')(`through HAProxy${noHaproxy}`, () => {
  it.each([
    ['push', Push],
    ['pull', Pull],
  ])('a megabyte goes both ways, %s style', async (_, reagent) => {
    await using app = await createTestApp(reagent).start();
    await using haproxy = await Haproxy.start(
      relay({ server: `127.0.0.1:${app.listener(reagent).port} send-proxy-v2` }),
    );
    await using client = await TestClient.connect({ port: haproxy.port });
    const sent = Buffer.alloc(MEGABYTE, 'reagent ');
    // It is more than all the buffers between have room for, so both go on at the same time.
    const [echoed] = await Promise.all([client.receive(sent.length), client.write(sent)]);
    expect(echoed.equals(sent)).toBe(true);
    expect(app.listener(reagent).stats().bytes.out).toBe(sent.length);
  });

  it('a client that ends its side gets what is sent after that', async () => {
    await using app = await createTestApp(Pull).start();
    await using haproxy = await Haproxy.start(relay({ server: `127.0.0.1:${app.listener(Pull).port} send-proxy-v2` }));
    await using client = await TestClient.connect({ port: haproxy.port });
    await client.send('question');
    await client.end();
    await client.receive('questionend');
    expect(await client.closed()).toBe('end');
    await app.listener(Pull).waitForConnections((open) => open === 0);
    expect(app.listener(Pull).stats().connections.closed).toMatchObject({ client: 1 });
  });

  it.each(['send-proxy', 'send-proxy-v2'])('a request may be split between header and data, %s', async (sending) => {
    await using app = await behind().start();
    await using haproxy = await Haproxy.start(relay({ server: `127.0.0.1:${app.listener(Behind).port} ${sending}` }));
    await using client = await TestClient.connect({ port: haproxy.port });
    // HAProxy has sent the header alone, as the client has said nothing yet.
    await client.line();
    for (const byte of 'one\n') await client.send(byte);
    expect(await client.line()).toBe('one');
    // And together with the first data, as the client has spoken before HAProxy has connected.
    await using quick = await TestClient.connect({ port: haproxy.port });
    await quick.send('two\n');
    await quick.line();
    expect(await quick.line()).toBe('two');
  });

  it('a client that resets is gone here too', async () => {
    await using app = await createTestApp(Push).start();
    await using haproxy = await Haproxy.start(relay({ server: `127.0.0.1:${app.listener(Push).port} send-proxy-v2` }));
    await using client = await TestClient.connect({ port: haproxy.port });
    await client.send('one');
    await client.receive('one');
    client.reset();
    expect(['client', 'reset']).toContain(await app.resolve(Push).closed.take());
  });
});

describe.skipIf(noHaproxy !== '')(`limits per address through HAProxy${noHaproxy}`, () => {
  const sources = Array.from({ length: 10 }, (_, i) => `127.0.0.${i + 2}`);

  it('count the real sources of many connections', async () => {
    await using app = await behind({ maxConnectionsPerIp: 3 }).start();
    await using haproxy = await Haproxy.start(
      relay({ server: `127.0.0.1:${app.listener(Behind).port} send-proxy-v2` }),
    );
    const attempts = sources.flatMap((localAddress) => Array.from({ length: 5 }, () => localAddress));
    const clients = await Promise.all(
      attempts.map((localAddress) => TestClient.connect({ port: haproxy.port }, { localAddress })),
    );
    const served = await Promise.all(clients.map(isServed));
    const servedOf = (source: string) => served.filter((isOne, i) => isOne && attempts[i] === source).length;
    expect(sources.map(servedOf)).toEqual(sources.map(() => 3));
    expect(rejected(app)).toEqual({ maxConnectionsPerIp: 20 });
    for (const client of clients) client.destroy();
    await nothingIsLeft(app);
    await using again = await TestClient.connect({ port: haproxy.port }, { localAddress: '127.0.0.2' });
    await again.line();
  });

  it('slow down the real source that comes too fast, and no other', async () => {
    await using app = await behind({ acceptRate: { perIp: 2, interval: 60_000 } }).start();
    await using haproxy = await Haproxy.start(relay({ server: `127.0.0.1:${app.listener(Behind).port} send-proxy` }));
    for (const localAddress of sources) {
      const outcomes: boolean[] = [];
      for (let attempt = 0; attempt < 3; attempt++) {
        await using client = await TestClient.connect({ port: haproxy.port }, { localAddress });
        outcomes.push(await isServed(client));
      }
      expect(outcomes).toEqual([true, true, false]);
    }
    expect(rejected(app)).toEqual({ acceptRate: sources.length });
  });
});

describe.skipIf(noHaproxy !== '')(`under load${noHaproxy}`, () => {
  const ROUNDS = 10;

  /** Clients that send one message after the other until the server ends, and how many were answered. */
  async function talk(client: TestClient, rounds = ROUNDS): Promise<number> {
    let answered = 0;
    try {
      for (; answered < rounds; answered++) {
        await client.send('0123456789');
        await client.receive('0123456789');
      }
    } catch {
      // It was cut off.
    }
    return answered;
  }

  const connect = ({ port }: Haproxy, count: number) =>
    Promise.all(Array.from({ length: count }, () => TestClient.connect({ port }, { timeout: 5_000 })));

  it('every connection is answered, and none is left', async () => {
    await using app = await createTestApp(Push).start();
    const listener = app.listener(Push);
    await using haproxy = await Haproxy.start(relay({ server: `127.0.0.1:${listener.port} send-proxy-v2` }));
    const clients = await connect(haproxy, 100);
    const answered = await Promise.all(clients.map((client) => talk(client)));
    expect(answered).toEqual(clients.map(() => ROUNDS));
    for (const client of clients) client.destroy();
    await listener.waitForConnections((open) => open === 0, { timeout: 10_000 });
    expect(listener.stats().connections).toMatchObject({ active: 0, accepted: clients.length });
    expect(app.resolve(Push).closed.all).toHaveLength(clients.length);
  });

  it('a reload of HAProxy loses no connection', async () => {
    await using app = await createTestApp(Push).start();
    const configuration = relay({ server: `127.0.0.1:${app.listener(Push).port} send-proxy-v2` });
    await using haproxy = await Haproxy.start(configuration);
    const before = await connect(haproxy, 20);
    const talking = before.map((client) => talk(client, 100));
    const [during] = await Promise.all([connect(haproxy, 20), haproxy.reload(configuration)]);
    const after = await connect(haproxy, 20);
    expect(await Promise.all(talking)).toEqual(before.map(() => 100));
    for (const clients of [during, after]) {
      expect(await Promise.all(clients.map((client) => talk(client)))).toEqual(clients.map(() => ROUNDS));
    }
    for (const client of [...before, ...during, ...after]) client.destroy();
    await app.listener(Push).waitForConnections((open) => open === 0, { timeout: 10_000 });
  });

  it('HAProxy that ends takes its connections with it, and nothing is left here', async () => {
    await using app = await createTestApp(Push).start();
    const listener = app.listener(Push);
    await using haproxy = await Haproxy.start(relay({ server: `127.0.0.1:${listener.port} send-proxy-v2` }));
    const clients = await connect(haproxy, 50);
    const talking = clients.map((client) => talk(client, Infinity));
    await app.listener(Push).waitForConnections((open) => open === clients.length, { timeout: 10_000 });
    await haproxy.stop();
    await Promise.all(talking);
    for (const client of clients) {
      expect(['end', 'reset']).toContain(await client.closed());
      client.destroy();
    }
    await listener.waitForConnections((open) => open === 0, { timeout: 10_000 });
    const kinds = await app.resolve(Push).closed.takeMany(clients.length);
    for (const kind of kinds) expect(['client', 'reset']).toContain(kind);
    expect(listener.stats()).toMatchObject({ connections: { active: 0 }, handlerErrors: 0 });
  });

  it('an application that stops says goodbye through HAProxy', async () => {
    await using app = await createTestApp(Polite).start();
    await using haproxy = await Haproxy.start(
      relay({ server: `127.0.0.1:${app.listener(Polite).port} send-proxy-v2` }),
    );
    const clients = await connect(haproxy, 20);
    for (const client of clients) expect(await talk(client, 1)).toBe(1);
    const talking = clients.map((client) => talk(client, Infinity));
    await Promise.all([app.application.stop({ timeout: 10_000 }), ...talking]);
    for (const client of clients) {
      expect(await client.closed()).toBe('end');
      expect(client.received.toString()).toMatch(/^(0123456789)+goodbye$/);
      client.destroy();
    }
  });
});

async function isServed(client: TestClient): Promise<boolean> {
  return client.line().then(
    () => true,
    () => false,
  );
}
