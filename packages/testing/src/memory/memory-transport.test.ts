import { type Connection, lines, OnClose, OnConnection, OnData, OnTimeout, Reagent } from '@reagent/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { certificates } from '../certificates/certificates.js';
import { createTestApp } from '../create-test-app.js';

@Reagent({ port: 4711, codec: lines(), timeouts: { idle: 60_000, shutdown: 15_000 } })
class Echo {
  readonly closed: string[] = [];

  @OnConnection()
  hello(conn: Connection<string>) {
    conn.send(`${conn.remote.address} ${conn.secure}`);
  }

  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }

  @OnTimeout()
  bored(conn: Connection<string>) {
    conn.send('bored');
  }

  @OnClose()
  close(_: Connection<string>, reason: { kind: string }) {
    this.closed.push(reason.kind);
  }
}

afterEach(() => {
  vi.useRealTimers();
});

describe('in memory', () => {
  it('a client is served without a port', async () => {
    await using app = await createTestApp(Echo, { transport: 'memory' }).start();
    expect(app.listener(Echo).port).toBe(0);
    const client = await app.connect(Echo, { localAddress: '10.1.2.3' });
    expect(await client.line()).toBe('10.1.2.3 false');
    await client.send('one\ntwo\n');
    expect([await client.line(), await client.line()]).toEqual(['one', 'two']);
    await client.end();
    expect(await client.closed()).toBe('end');
    await app.listener(Echo).waitForConnections((open) => open === 0);
    expect(app.resolve(Echo).closed).toEqual(['client']);
  });

  it('a listener that is bound serves clients in memory too', async () => {
    await using app = await createTestApp(Echo).start();
    const inMemory = await app.connect(Echo, { transport: 'memory' });
    const overTcp = await app.connect(Echo);
    for (const client of [inMemory, overTcp]) {
      await client.line();
      await client.send('x\n');
      expect(await client.line()).toBe('x');
    }
    await expect(app.connect(Echo, { transport: 'unix' })).rejects.toThrow(/bound to a TCP port/);
  });

  it('a client may come over TLS', async () => {
    const { server, ca } = await certificates();
    await using app = await createTestApp(Echo, {
      transport: 'memory',
      descriptors: { Echo: { secure: server } },
    }).start();
    const client = await app.connect(Echo, { secure: { ca: ca.cert } });
    expect(await client.line()).toBe('127.0.0.1 true');
    client.reset();
    await app.listener(Echo).waitForConnections((open) => open === 0, { timeout: 2_000 });
    expect(app.resolve(Echo).closed).toEqual(['reset']);
  });

  it('nobody is served by a listener that does not listen', async () => {
    await using app = await createTestApp(Echo, { transport: 'memory' }).start();
    await app.application.suspend();
    await expect(app.connect(Echo)).rejects.toThrow(/suspended/);
    await app.application.resume();
    await app.connect(Echo);
  });

  it('time limits pass as fast as the fake timers of a test', async () => {
    vi.useFakeTimers();
    await using app = await createTestApp(Echo, { transport: 'memory' }).start();
    const client = await app.connect(Echo);
    await client.line();
    await vi.advanceTimersByTimeAsync(65_000);
    expect(await client.line()).toBe('bored');
    await client.end();
    expect(await client.closed()).toBe('end');
  });
});
