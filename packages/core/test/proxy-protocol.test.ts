import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import {
  type Connection,
  type Incoming,
  lines,
  OnAccept,
  OnConnection,
  OnData,
  proxyHeader,
  Reagent,
} from '@reagent/core';
import { certificates, createTestApp, type TestApp } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Mailbox } from './support/mailbox.js';

const client = { address: '203.0.113.7', port: 4711 };
const balancer = { address: '198.51.100.1', port: 443 };
const header = proxyHeader({ source: client, destination: balancer });

/** Tells each client who it is, and answers its lines. */
@Reagent({ port: 0, codec: lines(), proxyProtocol: true })
class Who {
  readonly accepted = new Mailbox<Incoming>();

  @OnAccept()
  accept(incoming: Incoming) {
    this.accepted.put(incoming);
  }

  @OnConnection()
  hello(conn: Connection<string>) {
    conn.send(`${conn.remote.address}:${conn.remote.port} ${conn.local.address}:${conn.local.port}`);
  }

  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }
}

const start = (descriptor: object = {}) => createTestApp(Who, { descriptors: { Who: descriptor } }).start();
const rejected = (app: TestApp) => app.listener(Who).stats().connections.rejected;
const noOneIsLeft = (app: TestApp) => app.listener(Who).waitForConnections((open) => open === 0, { timeout: 2_000 });

describe('behind a balancer', () => {
  it.each([1, 2] as const)('a connection has the real ends, version %d', async (version) => {
    await using app = await start();
    const caller = await app.connect(Who);
    await caller.send(proxyHeader({ version, source: client, destination: balancer }));
    expect(await caller.line()).toBe('203.0.113.7:4711 198.51.100.1:443');
    const incoming = await app.resolve(Who).accepted.take();
    expect(incoming.remote).toEqual({ ...client, family: 'IPv4' });
    expect(incoming.local).toEqual({ ...balancer, family: 'IPv4' });
    expect(incoming.proxy).toMatchObject({ version, command: 'proxy' });
    const [connection] = app.listener(Who).connections;
    expect(connection?.proxy?.source).toEqual({ ...client, family: 'IPv4' });
  });

  it('what follows the header at once is the beginning of the input', async () => {
    await using app = await start();
    const caller = await app.connect(Who);
    await caller.send(Buffer.concat([header, Buffer.from('one\ntwo\n')]));
    await caller.line();
    expect([await caller.line(), await caller.line()]).toEqual(['one', 'two']);
  });

  it('a client that ends right behind header and request gets its answer', async () => {
    await using app = await start();
    const caller = await app.connect(Who);
    await caller.send(Buffer.concat([header, Buffer.from('one\n')]));
    await caller.end();
    await caller.line();
    expect(await caller.line()).toBe('one');
    expect(await caller.closed()).toBe('end');
  });

  it.each([
    ['a check of the balancer itself', proxyHeader({ command: 'local' })],
    ['a client it does not know', Buffer.from('PROXY UNKNOWN\r\n')],
  ])('%s has the ends of the socket', async (_, unknown) => {
    await using app = await start();
    const caller = await app.connect(Who);
    await caller.send(unknown);
    expect(await caller.line()).toBe(`127.0.0.1:${caller.localPort} 127.0.0.1:${app.listener(Who).port}`);
  });

  it('a TLS handshake may follow the header at once', async () => {
    const { server, ca } = await certificates();
    await using app = await start({ secure: server });
    const { port } = app.listener(Who);
    const carrier = connect(port, '127.0.0.1');
    carrier.write(header);
    const socket = connectSecure({ socket: carrier, servername: 'localhost', ca: ca.cert });
    const [greeting] = await once(socket, 'data');
    expect(String(greeting)).toBe('203.0.113.7:4711 198.51.100.1:443\n');
    socket.destroy();
  });

  it('a Unix socket is trusted, and shows the real ends too', async () => {
    await using app = await start({ path: '/run/who.sock' });
    const caller = await app.connect(Who);
    await caller.send(header);
    expect(await caller.line()).toBe('203.0.113.7:4711 198.51.100.1:443');
  });
});

describe('limits per address', () => {
  it('count the real source, not the balancer', async () => {
    await using app = await start({ maxConnectionsPerIp: 1 });
    const first = await app.connect(Who);
    await first.send(header);
    await first.line();
    const second = await app.connect(Who);
    await second.send(proxyHeader({ source: { address: '203.0.113.8', port: 1 }, destination: balancer }));
    await second.line();
    const third = await app.connect(Who);
    await third.send(header);
    expect(await third.closed()).toBe('reset');
    expect(rejected(app)).toMatchObject({ maxConnectionsPerIp: 1 });
    first.destroy();
    await app.listener(Who).waitForConnections((open) => open === 1);
    const again = await app.connect(Who);
    await again.send(header);
    await again.line();
  });

  it('let any number of health checks in', async () => {
    await using app = await start({ maxConnectionsPerIp: 1 });
    for (let check = 0; check < 3; check++) {
      const caller = await app.connect(Who);
      await caller.send(proxyHeader({ command: 'local' }));
      await caller.line();
    }
    expect(rejected(app)).toMatchObject({ maxConnectionsPerIp: 0 });
  });
});

describe('a connection is refused', () => {
  it('that does not come from a trusted network, before a byte of it is read', async () => {
    await using app = await start({ proxyProtocol: { trust: ['10.0.0.0/8'] } });
    const caller = await app.connect(Who);
    expect(await caller.closed()).toBe('reset');
    expect(rejected(app)).toMatchObject({ untrusted: 1 });
    expect(app.logs.some(({ message }) => message.includes('proxyProtocol.trust'))).toBe(true);
  });

  it.each([
    ['no header', 'GET / HTTP/1.1\r\n'],
    ['a TLS handshake instead', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00])],
    ['a header of a version that is off', proxyHeader({ version: 1, source: client, destination: balancer })],
    ['a header with a mistake', 'PROXY TCP4 203.0.113.7 198.51.100.1 4711\r\n'],
  ])('with %s', async (_, bytes) => {
    await using app = await start({ proxyProtocol: { versions: [2] } });
    const caller = await app.connect(Who);
    await caller.send(bytes);
    expect(await caller.closed()).toBe('reset');
    expect(rejected(app)).toMatchObject({ proxyHeader: 1 });
    await noOneIsLeft(app);
  });

  it('whose header is late', async () => {
    await using app = await start({ timeouts: { proxyHeader: 60 } });
    const caller = await app.connect(Who);
    await caller.send(header.subarray(0, 20));
    expect(await caller.closed()).toBe('reset');
    expect(rejected(app)).toMatchObject({ proxyHeader: 1 });
    expect(app.logs.at(-1)?.fields.error).toMatch(/no complete PROXY header arrived within 60 ms/);
  });

  it('that leaves in the middle of its header', async () => {
    await using app = await start();
    for (const leave of ['end', 'reset'] as const) {
      const caller = await app.connect(Who);
      await caller.send(header.subarray(0, 20));
      await app.listener(Who).waitForConnections((open) => open === 1, { timeout: 2_000 });
      await caller[leave]();
      await noOneIsLeft(app);
    }
    expect(rejected(app)).toMatchObject({ client: 2 });
  });

  it('that owes its header when the listener stops', async () => {
    await using app = await start();
    const caller = await app.connect(Who);
    await app.listener(Who).waitForConnections((open) => open === 1, { timeout: 2_000 });
    await app.listener(Who).stop();
    expect(await caller.closed()).toBe('reset');
  });
});

it('clients that owe their header keep nobody from an acceptor', async () => {
  await using app = await start({ acceptors: 1 });
  const silent = await Promise.all(Array.from({ length: 5 }, () => app.connect(Who)));
  await app.listener(Who).waitForConnections((open) => open === 5, { timeout: 2_000 });
  const caller = await app.connect(Who);
  await caller.send(header);
  await caller.line();
  for (const late of silent) {
    await late.send(header);
    await late.line();
  }
  expect(app.listener(Who).stats().acceptors).toEqual({ size: 1, busy: 0, waiting: 0 });
});
