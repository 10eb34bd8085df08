// Limits per address count the clients that a balancer tells of, not the balancer.

import { proxyHeader } from '@reagent/core';
import { certificates, type TestApp, type TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Behind, behind, nothingIsLeft, rejected } from './support/behind.js';
import { TemporaryDirectory } from './support/temporary-directory.js';

const destination = { address: '198.51.100.1', port: 443 };
let port = 1024;

/** A header of a client at this address, from a port of its own. */
function from(address: string, version: 1 | 2 = 2): Buffer {
  port += 1;
  return proxyHeader({ version, source: { address, port }, destination });
}

/** Whether a client with this header is served; it stays connected. */
async function isServed(app: TestApp, proxy: Buffer): Promise<{ client: TestClient; served: boolean }> {
  const client = await app.connect(Behind, { proxy });
  const outcome = await client.line().catch(() => undefined);
  return { client, served: outcome !== undefined };
}

async function serves(app: TestApp, proxy: Buffer): Promise<boolean> {
  return (await isServed(app, proxy)).served;
}

const unknown = [
  ['checks of the balancer', proxyHeader({ command: 'local' })],
  ['clients that the balancer does not know, version 1', Buffer.from('PROXY UNKNOWN\r\n')],
  ['clients that the balancer does not know, version 2', proxyHeader({})],
  [
    'clients of the balancer’s Unix socket',
    proxyHeader({ source: { address: '/run/a', port: 0 }, destination: { address: '/run/b', port: 0 } }),
  ],
] as const;

describe('maxConnectionsPerIp', () => {
  it('counts the real source, whatever the version of its header', async () => {
    await using app = await behind({ maxConnectionsPerIp: 2 }).start();
    expect(await serves(app, from('203.0.113.7', 1))).toBe(true);
    expect(await serves(app, from('203.0.113.8', 2))).toBe(true);
    const { client: leaves, served } = await isServed(app, from('203.0.113.7', 2));
    expect(served).toBe(true);
    const { client: refused } = await isServed(app, from('203.0.113.7', 2));
    expect(await refused.closed()).toBe('reset');
    expect(rejected(app)).toEqual({ maxConnectionsPerIp: 1 });
    leaves.destroy();
    await app.listener(Behind).waitForConnections((open) => open === 2, { timeout: 2_000 });
    expect(await serves(app, from('203.0.113.7'))).toBe(true);
    expect(await serves(app, from('203.0.113.7'))).toBe(false);
  });

  it('counts an IPv4 source once, mapped into IPv6 or not', async () => {
    await using app = await behind({ maxConnectionsPerIp: 1 }).start();
    expect(await serves(app, from('203.0.113.7'))).toBe(true);
    const mapped = Buffer.from('PROXY TCP6 ::ffff:203.0.113.7 2001:db8::1 4711 443\r\n');
    expect(await serves(app, mapped)).toBe(false);
    expect(await serves(app, from('2001:db8::7'))).toBe(true);
    const longhand = Buffer.from('PROXY TCP6 2001:0db8:0:0::0007 2001:db8::1 4711 443\r\n');
    expect(await serves(app, longhand)).toBe(false);
  });

  it.each(unknown)('lets any number in of %s', async (_, header) => {
    await using app = await behind({ maxConnectionsPerIp: 1 }).start();
    for (let each = 0; each < 3; each++) expect(await serves(app, header)).toBe(true);
    expect(rejected(app)).toEqual({});
  });

  it('counts over a Unix socket too', async () => {
    await using directory = await TemporaryDirectory.make();
    await using app = await behind({ path: directory.at('behind.sock'), maxConnectionsPerIp: 1 }).start();
    expect(await serves(app, from('203.0.113.7'))).toBe(true);
    expect(await serves(app, from('203.0.113.8'))).toBe(true);
    expect(await serves(app, from('203.0.113.7'))).toBe(false);
  });

  it('forgets those whose handshake fails, and those who were refused', async () => {
    const { server } = await certificates();
    await using app = await behind({ secure: server, maxConnectionsPerIp: 1 }).start();
    for (let each = 0; each < 3; each++) {
      const failing = await app.connect(Behind, { proxy: from('203.0.113.7'), secure: false });
      await failing.write('this is no TLS\r\n');
      await failing.closed();
      failing.destroy();
      await nothingIsLeft(app);
    }
    expect(rejected(app)).toEqual({ handshake: 3 });
    const first = await app.connect(Behind, { proxy: from('203.0.113.7') });
    await first.line();
    for (let each = 0; each < 3; each++) {
      const over = await app.connect(Behind, { proxy: from('203.0.113.7'), secure: false });
      expect(await over.closed()).toBe('reset');
    }
    expect(rejected(app)).toEqual({ handshake: 3, maxConnectionsPerIp: 3 });
    first.destroy();
    await nothingIsLeft(app);
    const again = await app.connect(Behind, { proxy: from('203.0.113.7') });
    await again.line();
  });

  it('counts those in the queue for room when their header has come', async () => {
    await using app = await behind({ maxConnections: 1, maxConnectionsPerIp: 1 }).start();
    const first = await isServed(app, from('203.0.113.7'));
    // Nothing is read of who waits, so there is no telling whose it is.
    const waiting = await app.connect(Behind, { proxy: from('203.0.113.7') });
    const behindIt = await app.connect(Behind, { proxy: from('203.0.113.8') });
    expect(rejected(app)).toEqual({});
    first.client.destroy();
    // The first one's address is free again when it has left.
    await waiting.line();
    waiting.destroy();
    await behindIt.line();
  });
});

describe('acceptRate', () => {
  const acceptRate = { perIp: 2, interval: 60_000 };

  it('counts the real source', async () => {
    await using app = await behind({ acceptRate }).start();
    for (const address of ['203.0.113.7', '2001:db8::7']) {
      const outcomes = [];
      for (let each = 0; each < 3; each++) {
        const { client, served } = await isServed(app, from(address));
        outcomes.push(served);
        client.destroy();
      }
      expect(outcomes).toEqual([true, true, false]);
    }
    await nothingIsLeft(app);
    expect(rejected(app)).toEqual({ acceptRate: 2 });
  });

  it.each(unknown)('does not slow down %s', async (_, header) => {
    await using app = await behind({ acceptRate }).start();
    for (let each = 0; each < 4; each++) expect(await serves(app, header)).toBe(true);
    expect(rejected(app)).toEqual({});
  });
});

it('the balancer itself has no limit of its own', async () => {
  await using app = await behind({ maxConnectionsPerIp: 1, acceptRate: { perIp: 1, interval: 60_000 } }).start();
  for (let host = 1; host <= 50; host++) expect(await serves(app, from(`203.0.113.${host}`))).toBe(true);
  expect(rejected(app)).toEqual({});
  expect(app.listener(Behind).connections.size).toBe(50);
});

it('clients that owe their header count against maxConnections', async () => {
  await using app = await behind({ maxConnections: 2, maxWaiting: 0 }).start();
  const silent = [await app.connect(Behind), await app.connect(Behind)];
  const third = await app.connect(Behind);
  expect(await third.closed()).toBe('reset');
  expect(rejected(app)).toEqual({ maxConnections: 1 });
  for (const client of silent) {
    await client.write(from('203.0.113.7'));
    await client.line();
  }
});
