// Who does not come through a trusted balancer, or without a right header in time, is refused and counted.

import { spawnSync } from 'node:child_process';
import { type Connection, type Incoming, OnAccept, OnConnection, proxyHeader, Reagent } from '@reagent/core';
import { certificates, createTestApp, type TestApp } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Behind, behind, nothingIsLeft, rejected } from './support/behind.js';
import { counted } from './support/counted.js';
import { Gate } from './support/gate.js';
import { Mailbox } from './support/mailbox.js';
import { ServerSockets } from './support/server-sockets.js';
import { TemporaryDirectory } from './support/temporary-directory.js';
import { until } from './support/until.js';

const source = { address: '203.0.113.7', port: 4711 };
const destination = { address: '198.51.100.1', port: 443 };
const header = proxyHeader({ source, destination });
const version1 = proxyHeader({ version: 1, source, destination });

const lines = (app: TestApp, about: RegExp) => app.logs.filter(({ message }) => about.test(message));

describe('proxyProtocol.trust', () => {
  it.each([
    // The listener's address, the client's, the networks.
    ['127.0.0.1', '127.0.0.1', ['127.0.0.1']],
    ['127.0.0.1', '127.0.0.2', ['10.0.0.0/8', '127.0.0.0/8']],
    ['127.0.0.1', '127.0.0.1', ['::ffff:127.0.0.0/104']],
    ['127.0.0.1', '127.0.0.1', undefined],
    ['::1', '::1', ['::1']],
    ['::1', '::1', undefined],
    ['::ffff:127.0.0.1', undefined, ['127.0.0.1']],
  ])('at %s, a client at %s is trusted by %j', async (host, localAddress, trust) => {
    await using app = await behind({ host, proxyProtocol: trust === undefined ? true : { trust } }).start();
    const client = await app.connect(Behind, { proxy: header, ...(localAddress && { localAddress }) });
    await client.line();
  });

  it.each([
    ['127.0.0.1', '127.0.0.1', ['10.0.0.0/8']],
    ['127.0.0.1', '127.0.0.2', ['127.0.0.1']],
    ['127.0.0.1', '127.0.0.1', ['::/0']],
    ['::1', '::1', ['127.0.0.0/8', '0.0.0.0/0']],
    ['::ffff:127.0.0.1', undefined, ['::/0']],
  ])('at %s, a client at %s is refused by %j before a byte is read', async (host, localAddress, trust) => {
    using sockets = new ServerSockets();
    await using app = await behind({ host, proxyProtocol: { trust } }).start();
    const client = await app.connect(Behind, localAddress === undefined ? {} : { localAddress });
    await client.write(header).catch(() => {}); // It may have been reset already.
    expect(await client.closed()).toBe('reset');
    await nothingIsLeft(app);
    expect(rejected(app)).toEqual({ untrusted: 1 });
    expect(sockets.all.map(({ bytesRead }) => bytesRead)).toEqual([0]);
    expect(app.resolve(Behind).accepted.all).toEqual([]);
    const [line] = lines(app, /proxyProtocol\.trust/);
    expect(line).toMatchObject({
      level: 'info',
      fields: { remote: expect.stringContaining(localAddress ?? '127.0.0.1') },
    });
  });

  it('refuses in a flood without a flood of lines', async () => {
    await using app = await behind({ proxyProtocol: { trust: ['10.0.0.0/8'] } }).start();
    const clients = await Promise.all(Array.from({ length: 50 }, () => app.connect(Behind)));
    for (const client of clients) expect(await client.closed()).toBe('reset');
    await nothingIsLeft(app);
    expect(rejected(app)).toEqual({ untrusted: 50 });
    expect(lines(app, /proxyProtocol\.trust/).length).toBeLessThan(50);
  });

  it('a client that left before it was accepted counts as one that left', async () => {
    await using app = await behind().start();
    connectAndReset(app.listener(Behind).port);
    await until(() => app.listener(Behind).stats().connections.accepted === 1);
    await nothingIsLeft(app);
    expect(rejected(app)).toEqual({ client: 1 });
    expect(app.logs.filter(({ level, message }) => level !== 'info' || message.includes('refused'))).toEqual([]);
  });
});

describe('a header is refused at the first byte that shows that it is none', () => {
  const signature = header.subarray(0, 12);
  const first4 = (versionAndCommand: number, familyAndTransport: number, length = 12) =>
    Buffer.concat([signature, Buffer.from([versionAndCommand, familyAndTransport, length >> 8, length & 0xff])]);

  it.each([
    ...Array.from(signature.keys(), (at) => [`byte ${at} of the signature`, changed(signature, at)] as const),
    ...Array.from({ length: 6 }, (_, at) => [`byte ${at} of PROXY`, changed(Buffer.from('PROXY '), at)] as const),
    ['HTTP', 'GET'],
    ['TLS', Buffer.from([0x16])],
    ['a binary version that there is not', first4(0x11, 0x11).subarray(0, 13)],
    ['a binary command that there is not', first4(0x22, 0x11).subarray(0, 13)],
    ['a family that there is not', first4(0x21, 0x41).subarray(0, 14)],
    ['a transport that there is not', first4(0x21, 0x13).subarray(0, 14)],
    ['a length that is too short for the addresses', first4(0x21, 0x11, 11)],
    ['a length that is too long for anybody', first4(0x21, 0x11, 65_535)],
    ['a protocol that there is not', 'PROXY UDP4'],
    ['an address that can be none', 'PROXY TCP4 203.0.113.x'],
    ['an address of the other family', 'PROXY TCP4 2001:'],
    ['a port that is too large', 'PROXY TCP4 203.0.113.7 198.51.100.1 65536 '],
    ['a line that ends too early', 'PROXY TCP4 203.0.113.7 198.51.100.1 4711\r'],
    ['a line without CR', 'PROXY UNKNOWN\n'],
    ['a line that is too long', `PROXY UNKNOWN ${'x'.repeat(94)}`],
  ] as const)('%s', async (_, bytes) => {
    await using app = await behind({ timeouts: { proxyHeader: 60_000 } }).start();
    const client = await app.connect(Behind, { proxy: bytes });
    expect(await client.closed()).toBe('reset');
    await nothingIsLeft(app);
    expect(rejected(app)).toEqual({ proxyHeader: 1 });
    const [line] = lines(app, /without a valid PROXY header/);
    expect(line).toMatchObject({
      level: 'info',
      fields: { remote: expect.stringMatching(/^127\.0\.0\.1:\d+$/), error: expect.stringMatching(/PROXY header/) },
    });
  });

  it.each([
    [[2], version1, /list 1 in proxyProtocol\.versions/],
    [[1], header, /list 2 in proxyProtocol\.versions/],
  ] as const)('that is of a version other than %j, and says so', async (versions, other, cure) => {
    await using app = await behind({ proxyProtocol: { versions } }).start();
    const client = await app.connect(Behind, { proxy: other });
    expect(await client.closed()).toBe('reset');
    await nothingIsLeft(app);
    expect(rejected(app)).toEqual({ proxyHeader: 1 });
    expect(lines(app, /without a valid PROXY header/)[0]?.fields.error).toMatch(cure);
  });

  it('and what follows it is not taken for data', async () => {
    await using app = await behind().start();
    const damaged = Buffer.from(proxyHeader({ source, destination, checksum: true }));
    damaged[16] = 10;
    const client = await app.connect(Behind, { proxy: Buffer.concat([damaged, Buffer.from('one\n')]) });
    expect(await client.closed()).toBe('reset');
    await nothingIsLeft(app);
    expect(client.received.length).toBe(0);
    expect(app.listener(Behind).stats().messages.in).toBe(0);
  });

  it('on a Unix socket, which is closed', async () => {
    await using directory = await TemporaryDirectory.make();
    await using app = await behind({ path: directory.at('behind.sock') }).start();
    const client = await app.connect(Behind, { proxy: 'GET / HTTP/1.1\r\n' });
    await client.closed();
    await nothingIsLeft(app);
    expect(client.received.length).toBe(0);
    expect(rejected(app)).toEqual({ proxyHeader: 1 });
  });

  it('before a TLS handshake, which never begins', async () => {
    const { server } = await certificates();
    await using app = await behind({ secure: server }).start();
    const client = await app.connect(Behind, { secure: false });
    await client.write(Buffer.from('160301', 'hex'));
    expect(await client.closed()).toBe('reset');
    await nothingIsLeft(app);
    expect(rejected(app)).toEqual({ proxyHeader: 1 });
    expect(counted(app.listener(Behind).stats().tls.failed)).toEqual({});
    expect(lines(app, /without a valid PROXY header/)[0]?.fields.error).toMatch(/speaks TLS did not come through/);
  });
});

describe('timeouts.proxyHeader', () => {
  it.each([
    ['nothing', 0],
    ['one byte', 1],
    ['half of it', header.length / 2],
    ['all but one byte', header.length - 1],
  ])('ends the wait for the rest of a header of which there is %s', async (_, length) => {
    await using app = await behind({ timeouts: { proxyHeader: 40 } }).start();
    const client = await app.connect(Behind, { proxy: header.subarray(0, length) });
    expect(await client.closed()).toBe('reset');
    await nothingIsLeft(app);
    expect(rejected(app)).toEqual({ proxyHeader: 1 });
    expect(lines(app, /without a valid PROXY header/)[0]?.fields.error).toMatch(/no complete PROXY header .* 40 ms/);
  });

  it('is for the whole header, however it drips', async () => {
    await using app = await behind({ timeouts: { proxyHeader: 60 } }).start();
    const client = await app.connect(Behind);
    let isClosed = false;
    const closed = client.closed().then((how) => {
      isClosed = true;
      return how;
    });
    // The last byte never comes, and each of the others is in time.
    for (const byte of header.subarray(0, -1)) {
      if (isClosed) break;
      await client.write(Uint8Array.of(byte)).catch(() => {}); // It has just been reset.
    }
    expect(await closed).toBe('reset');
    expect(rejected(app)).toEqual({ proxyHeader: 1 });
  });

  it('ends on a Unix socket and before TLS too', async () => {
    const { server } = await certificates();
    await using directory = await TemporaryDirectory.make();
    const timeouts = { proxyHeader: 40 };
    for (const descriptor of [{ path: directory.at('behind.sock') }, { secure: server }]) {
      await using app = await behind({ ...descriptor, timeouts }).start();
      const client = await app.connect(Behind, { proxy: header.subarray(0, 20), secure: false });
      await client.closed();
      await nothingIsLeft(app);
      expect(rejected(app)).toEqual({ proxyHeader: 1 });
    }
  });

  it('is no limit on what comes after the header', async () => {
    await using app = await behind({ timeouts: { proxyHeader: 40 } }).start();
    const quick = await app.connect(Behind, { proxy: header });
    await quick.line();
    const late = await app.connect(Behind);
    expect(await late.closed()).toBe('reset');
    await quick.write('one\n');
    expect(await quick.line()).toBe('one');
  });
});

describe('in the middle of a header', () => {
  it.each(['end', 'reset'] as const)('a client that leaves by %s counts as one that left', async (leave) => {
    await using directory = await TemporaryDirectory.make();
    for (const descriptor of [{}, { path: directory.at('behind.sock') }]) {
      await using app = await behind(descriptor).start();
      for (const length of [0, 1, 20, header.length - 1]) {
        const client = await app.connect(Behind, { proxy: header.subarray(0, length) });
        await app.listener(Behind).waitForConnections((open) => open === 1, { timeout: 2_000 });
        await client[leave]();
        await nothingIsLeft(app);
        client.destroy();
      }
      expect(rejected(app)).toEqual({ client: 4 });
    }
  });

  it('a stop refuses the client at once', async () => {
    await using app = await behind({ timeouts: { proxyHeader: 60_000, shutdown: 60_000 } }).start();
    const listener = app.listener(Behind);
    const client = await app.connect(Behind, { proxy: header.subarray(0, 20) });
    await listener.waitForConnections((open) => open === 1, { timeout: 2_000 });
    await listener.stop();
    expect(await client.closed()).toBe('reset');
    expect(counted(listener.stats().connections.rejected)).toEqual({ shutdown: 1 });
  });

  it('a suspended listener goes on to wait for it', async () => {
    await using app = await behind().start();
    const client = await app.connect(Behind, { proxy: header.subarray(0, 20) });
    const listener = app.listener(Behind);
    await listener.waitForConnections((open) => open === 1, { timeout: 2_000 });
    await listener.suspend();
    await client.write(header.subarray(20));
    await client.line();
  });
});

describe('@OnAccept', () => {
  @Reagent({ port: 0, proxyProtocol: true })
  class Picky {
    readonly asked = new Mailbox<string>();
    readonly gate = new Gate();

    @OnAccept()
    async accept(incoming: Incoming) {
      this.asked.put(incoming.remote.address);
      if (incoming.remote.address === '203.0.113.66') throw new Error('told to');
      if (incoming.remote.address === '203.0.113.8') incoming.reject();
      if (incoming.remote.address === '203.0.113.99') await this.gate.passed();
    }

    @OnConnection()
    async hello(conn: Connection) {
      conn.send(`${conn.remote.address}\n`);
      for await (const data of conn) conn.send(data);
    }
  }

  const from = (address: string) => ({ proxy: { source: { address, port: 1 }, destination } });

  it('is asked with the real ends, and may reject by them', async () => {
    await using app = await createTestApp(Picky, { allow: ['errors'] }).start();
    const admitted = await app.connect(Picky, from('203.0.113.7'));
    expect(await admitted.line()).toBe('203.0.113.7');
    const refused = await app.connect(Picky, from('203.0.113.8'));
    expect(await refused.closed()).toBe('reset');
    const failed = await app.connect(Picky, from('203.0.113.66'));
    expect(await failed.closed()).toBe('reset');
    expect(app.resolve(Picky).asked.all).toEqual(['203.0.113.7', '203.0.113.8', '203.0.113.66']);
    const { connections, handlerErrors } = app.listener(Picky).stats();
    expect(counted(connections.rejected)).toEqual({ accept: 2 });
    expect(handlerErrors).toBe(1);
  });

  it('is not asked before the whole header has come', async () => {
    await using app = await createTestApp(Picky).start();
    const client = await app.connect(Picky, { proxy: header.subarray(0, -1) });
    await app.listener(Picky).waitForConnections((open) => open === 1, { timeout: 2_000 });
    expect(app.resolve(Picky).asked.all).toEqual([]);
    await client.write(header.subarray(-1));
    expect(await app.resolve(Picky).asked.take()).toBe('203.0.113.7');
    await client.line();
  });

  it('may take its time, while what follows the header waits', async () => {
    await using app = await createTestApp(Picky).start();
    const { asked, gate } = app.resolve(Picky);
    const slow = proxyHeader({ source: { address: '203.0.113.99', port: 1 }, destination });
    const client = await app.connect(Picky, { proxy: Buffer.concat([slow, Buffer.from('one\n')]) });
    await client.write('two\n');
    await client.end();
    await asked.take();
    gate.open();
    await client.receive('203.0.113.99\none\ntwo\n');
    expect(await client.closed()).toBe('end');
  });

  it('may take its time, while the client has ended its side right behind the header', async () => {
    await using app = await createTestApp(Picky).start();
    const { asked, gate } = app.resolve(Picky);
    const client = await app.connect(Picky, from('203.0.113.99'));
    await client.end();
    await asked.take();
    // The end is noticed in one of these turns; later is as good.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    gate.open();
    await client.receive('203.0.113.99\n');
    expect(await client.closed()).toBe('end');
  });
});

it('nothing is left of any of them, and each is counted once', async () => {
  const { server } = await certificates();
  const long = { proxyHeader: 60_000, handshake: 60_000 };
  const short = { proxyHeader: 30, handshake: 30 };
  await using patient = await behind({ secure: server, maxConnectionsPerIp: 1, timeouts: long }).start();
  await using hasty = await behind({ secure: server, maxConnectionsPerIp: 1, timeouts: short }).start();
  const before = openSockets();
  const rounds = 5;
  for (let round = 0; round < rounds; round++) {
    const clients = [
      await patient.connect(Behind, { proxy: 'GET / HTTP/1.1\r\n', secure: false }),
      await patient.connect(Behind, { proxy: Buffer.concat([header, Buffer.from('GET /')]), secure: false }),
      await patient.connect(Behind, { proxy: version1.subarray(0, 20), secure: false }),
      await hasty.connect(Behind, { proxy: header.subarray(0, 20), secure: false }),
      await hasty.connect(Behind, { proxy: header, secure: false }),
    ];
    await clients[2]?.end();
    for (const client of clients) {
      await client.closed();
      client.destroy();
    }
    await nothingIsLeft(patient);
    await nothingIsLeft(hasty);
  }
  expect(rejected(patient)).toEqual({ proxyHeader: rounds, handshake: rounds, client: rounds });
  expect(rejected(hasty)).toEqual({ proxyHeader: rounds, handshake: rounds });
  expect(counted(patient.listener(Behind).stats().tls.failed)).toEqual({ notTls: rounds });
  expect(counted(hasty.listener(Behind).stats().tls.failed)).toEqual({ timeout: rounds });
  await until(() => openSockets() === before);
  const client = await patient.connect(Behind, { proxy: header });
  await client.line();
});

function changed(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes.subarray(0, at + 1));
  copy[at] = 0x7e;
  return copy;
}

/** Has a client of another process come and go while this one does not look. */
function connectAndReset(port: number): void {
  const script = `const socket = require('node:net').connect(${port}, '127.0.0.1', () => socket.resetAndDestroy())`;
  spawnSync(process.execPath, ['-e', script]);
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
}
