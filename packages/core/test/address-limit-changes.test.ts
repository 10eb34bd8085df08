// maxConnectionsPerIp of a listener that is running. Where nobody has limited addresses before, nobody has asked for them either.

import { type Connection, type Listener, OnAccept, OnConnection, OnData, proxyHeader, Reagent } from '@reagent/core';
import { createTestApp, type TestApp, type TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { approach, fronts } from './support/fronts.js';
import { Gate } from './support/gate.js';
import { TemporaryDirectory } from './support/temporary-directory.js';
import { until } from './support/until.js';

const OURS = '127.0.0.1';
const THEIRS = '127.0.0.2';

@Reagent({ port: 0 })
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

async function connectServed(app: TestApp, localAddress = OURS): Promise<TestClient> {
  const client = await app.connect(Echo, { localAddress });
  await client.receive('hello\n');
  return client;
}

/** Whether a newcomer from an address is refused for what its address has already. */
async function isRefused(app: TestApp, localAddress = OURS): Promise<boolean> {
  const { rejected } = app.listener(Echo).stats().connections;
  const client = await app.connect(Echo, { localAddress });
  const outcome = await Promise.race([client.receive('hello\n').then(() => 'served'), client.closed()]).catch(
    () => 'closed',
  );
  client.destroy();
  if (outcome === 'served') return false;
  const { maxConnectionsPerIp } = app.listener(Echo).stats().connections.rejected;
  expect(maxConnectionsPerIp).toBe(rejected.maxConnectionsPerIp + 1);
  return true;
}

async function leaves(app: TestApp, client: TestClient | undefined): Promise<void> {
  const { active } = app.listener(Echo).stats().connections;
  client?.destroy();
  await app.listener(Echo).waitForConnections((connections) => connections < active, { timeout: 4_000 });
}

describe('maxConnectionsPerIp changed at run time', () => {
  it('refuses newcomers at once when it is lowered, closes nothing, and lets in again when enough have left', async () => {
    await using app = await createTestApp(Echo, { descriptors: { Echo: { maxConnectionsPerIp: 3 } } }).start();
    const listener = app.listener(Echo);
    const clients = [await connectServed(app), await connectServed(app), await connectServed(app)];
    listener.maxConnectionsPerIp = 2;
    expect(listener.maxConnectionsPerIp).toBe(2);
    for (const client of clients) {
      await client.send('still here');
      await client.receive('still here');
    }
    expect(await isRefused(app)).toBe(true);
    expect(await isRefused(app, THEIRS)).toBe(false);
    await leaves(app, clients[0]);
    expect(await isRefused(app)).toBe(true);
    await leaves(app, clients[1]);
    await connectServed(app);
    expect(await isRefused(app)).toBe(true);
  });

  it('lets newcomers in at once when it is raised, or becomes Infinity', async () => {
    await using app = await createTestApp(Echo, { descriptors: { Echo: { maxConnectionsPerIp: 1 } } }).start();
    const listener = app.listener(Echo);
    await connectServed(app);
    expect(await isRefused(app)).toBe(true);
    listener.maxConnectionsPerIp = 2;
    await connectServed(app);
    expect(await isRefused(app)).toBe(true);
    listener.maxConnectionsPerIp = Number.POSITIVE_INFINITY;
    for (let count = 0; count < 5; count += 1) await connectServed(app);
  });

  it('counts those of each address who came without a limit, and counts them off again', async () => {
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    const ours = [await connectServed(app), await connectServed(app)];
    await connectServed(app, THEIRS);
    listener.maxConnectionsPerIp = 2;
    expect(await isRefused(app)).toBe(true);
    await connectServed(app, THEIRS);
    expect(await isRefused(app, THEIRS)).toBe(true);
    for (const client of ours) await leaves(app, client);
    await connectServed(app);
    await connectServed(app);
    expect(await isRefused(app)).toBe(true);
  });

  it('counts rightly when it was taken back meanwhile, whoever came and left then', async () => {
    await using app = await createTestApp(Echo, { descriptors: { Echo: { maxConnectionsPerIp: 2 } } }).start();
    const listener = app.listener(Echo);
    const [stays, goes] = [await connectServed(app), await connectServed(app)];
    listener.maxConnectionsPerIp = Number.POSITIVE_INFINITY;
    await connectServed(app);
    const visitor = await connectServed(app);
    await leaves(app, goes);
    await leaves(app, visitor);
    listener.maxConnectionsPerIp = 3;
    await connectServed(app);
    expect(await isRefused(app)).toBe(true);
    await leaves(app, stays);
    await connectServed(app);
    expect(await isRefused(app)).toBe(true);
  });

  it('counts those who wait for room', async () => {
    await using app = await createTestApp(Echo, { descriptors: { Echo: { maxConnections: 1 } } }).start();
    const listener = app.listener(Echo);
    await connectServed(app, THEIRS);
    const waiting = [await app.connect(Echo), await app.connect(Echo)];
    await until(() => listener.stats().connections.waiting === 2);
    listener.maxConnectionsPerIp = 2;
    expect(await isRefused(app)).toBe(true);
    waiting[0]?.reset();
    await until(() => listener.stats().connections.waiting === 1);
    await app.connect(Echo);
    await until(() => listener.stats().connections.waiting === 2);
    expect(await isRefused(app)).toBe(true);
  });

  describe.each(fronts)('at a $name listener', (front) => {
    it.each(front.stages)('counts those who are in the %s', async (stage) => {
      await using app = await createTestApp(Echo, { descriptors: { Echo: front.descriptor } }).start();
      const listener = app.listener(Echo);
      const clients = [
        await app.connect(Echo, approach(front, stage, OURS)),
        await app.connect(Echo, approach(front, stage, OURS)),
      ];
      await listener.waitForConnections((connections) => connections === 2, { timeout: 4_000 });
      if (stage === 'connection') for (const client of clients) await client.receive('hello\n');
      if (stage === 'handshake') await until(() => listener.stats().acceptors.busy === 2);
      listener.maxConnectionsPerIp = 2;
      const refused = await app.connect(Echo, approach(front, 'connection', OURS)).catch(() => undefined);
      // Whoever owes its header is of no address yet.
      if (stage === 'header') await refused?.receive('hello\n');
      else await until(() => listener.stats().connections.rejected.maxConnectionsPerIp === 1);
      const other = await app.connect(Echo, approach(front, 'connection', THEIRS));
      await other.receive('hello\n');
    });
  });

  it('counts those whose OnAccept has not finished, and those who wait for an acceptor', async () => {
    const gate = new Gate();

    @Reagent({ port: 0, acceptors: 1 })
    class Gated {
      @OnAccept()
      admit() {
        return gate.passed();
      }

      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello\n');
      }

      @OnData()
      ignore() {}
    }

    await using app = await createTestApp(Gated).start();
    const listener = app.listener(Gated);
    const clients = [await app.connect(Gated), await app.connect(Gated)];
    await until(() => gate.waiting === 1 && listener.stats().acceptors.waiting === 1);
    listener.maxConnectionsPerIp = 2;
    expect(await (await app.connect(Gated)).closed()).toBe('reset');
    gate.open();
    for (const client of clients) await client.receive('hello\n');
    expect(await (await app.connect(Gated)).closed()).toBe('reset');
    expect(listener.stats().connections.rejected.maxConnectionsPerIp).toBe(2);
  });

  it.each(['OnAccept', 'constructor', 'OnConnection'])('counts the one whose %s has set it', async (where) => {
    let listener: Listener;
    const limit = (place: string) => {
      if (place === where) listener.maxConnectionsPerIp = 1;
    };

    @Reagent({ port: 0, scope: 'connection' })
    class Limiting {
      @OnAccept()
      static admit() {
        limit('OnAccept');
      }

      constructor() {
        limit('constructor');
      }

      @OnConnection()
      hello(conn: Connection) {
        limit('OnConnection');
        conn.send('hello\n');
      }

      @OnData()
      ignore() {}
    }

    await using app = await createTestApp(Limiting).start();
    listener = app.listener(Limiting);
    const first = await app.connect(Limiting);
    await first.receive('hello\n');
    expect(await (await app.connect(Limiting)).closed()).toBe('reset');
    first.destroy();
    await listener.waitForConnections((connections) => connections === 0, { timeout: 4_000 });
    await (await app.connect(Limiting)).receive('hello\n');
  });

  it('counts the source of the PROXY header, of those who came before as well', async () => {
    const descriptor = { proxyProtocol: true };
    await using app = await createTestApp(Echo, { descriptors: { Echo: descriptor } }).start();
    const listener = app.listener(Echo);
    const from = (address: string) => ({
      proxy: proxyHeader({ source: { address, port: 50_000 }, destination: { address: '198.51.100.1', port: 443 } }),
    });
    const first = await app.connect(Echo, from('203.0.113.7'));
    await first.receive('hello\n');
    const pending = await app.connect(Echo);
    await listener.waitForConnections((connections) => connections === 2, { timeout: 4_000 });
    listener.maxConnectionsPerIp = 1;
    const other = await app.connect(Echo, from('203.0.113.8'));
    await other.receive('hello\n');
    await pending.write(from('203.0.113.7').proxy);
    expect(await pending.closed()).toBe('reset');
    await leaves(app, first);
    await (await app.connect(Echo, from('203.0.113.7'))).receive('hello\n');
    expect(await (await app.connect(Echo, from('203.0.113.7'))).closed()).toBe('reset');
    expect(listener.stats().connections.rejected.maxConnectionsPerIp).toBe(2);
  });

  it('means nothing to those who have no address', async () => {
    await using directory = await TemporaryDirectory.make();
    const descriptors = { Echo: { port: undefined, path: directory.at('echo.sock') } };
    await using app = await createTestApp(Echo, { transport: 'unix', descriptors }).start();
    await (await app.connect(Echo)).receive('hello\n');
    app.listener(Echo).maxConnectionsPerIp = 1;
    for (let count = 0; count < 3; count += 1) await (await app.connect(Echo)).receive('hello\n');
  });

  it('refuses a value that is no limit, and stays as it was', async () => {
    await using app = await createTestApp(Echo, { descriptors: { Echo: { maxConnectionsPerIp: 7 } } }).start();
    const listener = app.listener(Echo);
    for (const value of [0, -1, 1.5, Number.NaN, Number.NEGATIVE_INFINITY, '3', undefined]) {
      expect(() => {
        listener.maxConnectionsPerIp = value as number;
      }).toThrow(/^maxConnectionsPerIp takes a whole number of 1 or more/);
    }
    expect(listener.maxConnectionsPerIp).toBe(7);
  });
});
