// What a connection is behind a balancer. What stands in a header is tried where it is read.

import { proxyHeader } from '@reagent/core';
import { certificates } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Behind, behind, greeting, nothingIsLeft } from './support/behind.js';
import { TemporaryDirectory } from './support/temporary-directory.js';

const source = { address: '203.0.113.7', port: 4711 };
const destination = { address: '198.51.100.1', port: 443 };
const header = proxyHeader({ source, destination });
const ends = greeting(source, destination);

describe('behind a balancer', () => {
  it.each([1, 2] as const)('a connection has the real ends, version %d', async (version) => {
    await using app = await behind().start();
    const client = await app.connect(Behind, { proxy: { version, source, destination } });
    expect(await client.line()).toBe(ends);
    const incoming = await app.resolve(Behind).accepted.take();
    expect(incoming.remote).toEqual({ ...source, family: 'IPv4' });
    expect(incoming.local).toEqual({ ...destination, family: 'IPv4' });
    expect(incoming.proxy).toMatchObject({ version, command: 'proxy' });
    const conn = await app.resolve(Behind).opened.take();
    expect(conn).toMatchObject({ remote: incoming.remote, local: incoming.local });
    expect(conn.proxy).toBe(incoming.proxy);
  });

  it('a connection keeps them when it has closed', async () => {
    await using app = await behind().start();
    const client = await app.connect(Behind, { proxy: header });
    await client.line();
    const conn = await app.resolve(Behind).opened.take();
    client.reset();
    await conn.closed;
    expect(conn.remote).toEqual({ ...source, family: 'IPv4' });
    expect(conn.local).toEqual({ ...destination, family: 'IPv4' });
  });

  it('a connection has the paths of one that reached the balancer over a Unix socket', async () => {
    await using app = await behind().start();
    const client = await app.connect(Behind, {
      proxy: {
        source: { address: '/run/client.sock', port: 0 },
        destination: { address: '/run/balancer.sock', port: 0 },
      },
    });
    expect(await client.line()).toBe('/run/client.sock:0 /run/balancer.sock:0');
    const conn = await app.resolve(Behind).opened.take();
    expect(conn.remote.family).toBe('unix');
  });

  it.each([
    ['a check of the balancer itself', proxyHeader({ command: 'local' })],
    ['a client it does not know, version 1', Buffer.from('PROXY UNKNOWN\r\n')],
    ['a client it does not know, version 2', proxyHeader({})],
  ])('%s has the ends of the socket', async (_, unknown) => {
    await using app = await behind().start();
    const client = await app.connect(Behind, { proxy: unknown });
    const { port } = app.listener(Behind);
    const local = { address: '127.0.0.1', port };
    expect(await client.line()).toBe(greeting({ address: '127.0.0.1', port: client.localPort ?? 0 }, local));
  });

  it('a connection has the fields that only one cloud knows, as they were sent', async () => {
    await using app = await behind().start();
    const tlvs = [
      { type: 0xea, value: Buffer.from('\x01vpce-08d2bf15fac5001c9') },
      { type: 0xee, value: Buffer.from([1, 0x21, 0, 0x45, 0xc1]) },
      { type: 0xe0, value: Buffer.from('009b34d70a003c64', 'hex') },
    ];
    const client = await app.connect(Behind, { proxy: { source, destination, tlvs } });
    await client.line();
    const { proxy } = await app.resolve(Behind).opened.take();
    expect(proxy?.tlvs).toEqual(tlvs);
  });

  it('the header is no part of what was received', async () => {
    await using app = await behind().start();
    const client = await app.connect(Behind, { proxy: header });
    await client.line();
    await client.write('one\n');
    await client.line();
    const conn = await app.resolve(Behind).opened.take();
    expect(app.listener(Behind).stats().messages.in).toBe(1);
    expect(conn.bytesRead).toBe(header.length + 'one\n'.length);
  });

  it('a TLS handshake follows the header', async () => {
    const { server, ca } = await certificates();
    await using app = await behind({ secure: server }).start();
    const client = await app.connect(Behind, { proxy: header, secure: { ca: ca.cert } });
    expect(await client.line()).toBe(ends);
    const conn = await app.resolve(Behind).opened.take();
    expect(conn.secure).toBe(true);
  });

  it('a Unix socket is trusted, and shows the real ends too', async () => {
    const { server, ca } = await certificates();
    await using directory = await TemporaryDirectory.make();
    for (const secure of [false, server]) {
      const path = directory.at('behind.sock');
      await using app = await behind({ path, secure, proxyProtocol: { trust: ['192.0.2.1'] } }).start();
      const client = await app.connect(Behind, { proxy: header, secure: secure !== false && { ca: ca.cert } });
      expect(await client.line()).toBe(ends);
    }
  });

  it('clients that owe their header keep nobody from an acceptor', async () => {
    await using app = await behind({ acceptors: 1 }).start();
    const listener = app.listener(Behind);
    const silent = await Promise.all(Array.from({ length: 5 }, () => app.connect(Behind)));
    await listener.waitForConnections((open) => open === 5, { timeout: 2_000 });
    const client = await app.connect(Behind, { proxy: header });
    await client.line();
    for (const late of silent) {
      await late.write(header);
      await late.line();
    }
    expect(listener.stats().acceptors).toEqual({ size: 1, busy: 0, waiting: 0 });
    for (const each of [...silent, client]) each.destroy();
    await nothingIsLeft(app);
  });
});
