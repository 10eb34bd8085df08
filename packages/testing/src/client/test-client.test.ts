import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { lines, proxyHeader } from '@reagent/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { certificates } from '../certificates/certificates.js';
import type { ClientTransport } from './client-transport.js';
import { TestClient, type TestClientOptions } from './test-client.js';
import { TestClientError } from './test-client-error.js';

const opened: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function listening(options: { path?: string } = {}): Promise<Server> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(options.path ?? { port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  opened.push(() => new Promise((resolve) => server.close(resolve)));
  return server;
}

/** A client and the server's end of its connection. */
async function pair(options?: TestClientOptions): Promise<{ client: TestClient; peer: Socket }> {
  const server = await listening();
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = await TestClient.connect({ port: (server.address() as AddressInfo).port }, options);
  const [peer] = await accepted;
  peer.on('error', () => {}); // Tests that reset the connection look at the client.
  opened.push(
    () => peer.destroy(),
    () => client.destroy(),
  );
  return { client, peer };
}

async function failureOf(promise: Promise<unknown>): Promise<TestClientError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TestClientError);
  return error as TestClientError;
}

describe('connecting', () => {
  it('fails with the system error where nobody listens', async () => {
    const server = await listening();
    const { port } = server.address() as AddressInfo;
    await opened.pop()?.();
    const error = await failureOf(TestClient.connect({ port }));
    expect(error.message).toContain(`expected a connection to 127.0.0.1:${port}, but got ECONNREFUSED`);
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('counts a server that resets at once as reached', async () => {
    const server = await listening();
    server.on('connection', (peer) => peer.resetAndDestroy());
    const client = await TestClient.connect({ port: (server.address() as AddressInfo).port });
    expect(await client.closed()).toBe('reset');
  });

  it('connects from the address it is told, and knows its port, also afterwards', async () => {
    const { client, peer } = await pair({ localAddress: '127.0.0.9' });
    expect(peer.remoteAddress).toBe('127.0.0.9');
    const port = peer.remotePort;
    client.destroy();
    await client.closed();
    expect(client.localPort).toBe(port);
  });

  it('connects to a Unix socket', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reagent-'));
    opened.push(() => rm(directory, { recursive: true }));
    const path = join(directory, 'socket');
    const server = await listening({ path });
    server.on('connection', (peer) => peer.end('hi'));
    const client = await TestClient.connect({ path });
    await client.receive('hi');
    expect(await client.closed()).toBe('end');
    client.destroy();
  });
});

describe('receiving', () => {
  it('recv gives what has arrived, then what comes next, and null at the end', async () => {
    const { client, peer } = await pair();
    peer.write('one');
    expect(String(await client.recv())).toBe('one');
    const next = client.recv();
    peer.end('two');
    expect(String(await next)).toBe('two');
    expect(await client.recv()).toBe(null);
  });

  it('receive waits for exact text and keeps what comes after', async () => {
    const { client, peer } = await pair();
    const text = client.receive('hello');
    peer.write('hel');
    await nextTurn();
    peer.write('lo, world');
    expect(await text).toBe('hello');
    expect(await client.receive(2)).toEqual(Buffer.from(', '));
    expect(await client.receive(Buffer.from('world'))).toEqual(Buffer.from('world'));
  });

  it('receive fails at the first byte that differs, without waiting', async () => {
    const { client, peer } = await pair({ timeout: 60_000 });
    peer.write('hello world');
    const error = await failureOf(client.receive('hello there'));
    expect(error.message).toContain(
      'expected the next bytes to be "hello there", but something else arrived at byte 6',
    );
    expect(error.message).toContain('"hello world"');
    expect(await client.receive('hello world')).toBe('hello world');
  });

  it('receive takes all up to the end of a pattern and gives its groups', async () => {
    const { client, peer } = await pair();
    peer.write('noise id=17\nrest');
    expect((await client.receive(/id=(\d+)\n/))[1]).toBe('17');
    await client.receive('rest');
  });

  it('line gives one line after the other', async () => {
    const { client, peer } = await pair();
    peer.write('one\r\ntwo\nthr');
    expect(await client.line()).toBe('one');
    expect(await client.line()).toBe('two');
    const third = client.line();
    peer.write('ee\n');
    expect(await third).toBe('three');
  });

  it('keeps all that was received', async () => {
    const { client, peer } = await pair();
    peer.write('abc');
    await client.receive('ab');
    expect(client.received.toString()).toBe('abc');
  });

  it('fails at once when the server ends before the bytes are there', async () => {
    const { client, peer } = await pair({ timeout: 60_000 });
    peer.end('half');
    const error = await failureOf(client.receive(10));
    expect(error.message).toContain('expected 10 bytes, but the server ended first');
    expect(error.message).toContain('68 61 6c 66');
    expect(error.message).toContain('ended by the server');
  });

  it('fails at once when the server resets', async () => {
    const { client, peer } = await pair({ timeout: 60_000 });
    const line = client.line();
    peer.resetAndDestroy();
    expect((await failureOf(line)).message).toContain('the server reset the connection');
  });

  it('refuses a second call that reads at the same time', async () => {
    const { client, peer } = await pair();
    const first = client.line();
    await expect(client.recv()).rejects.toThrow('await the call that is reading');
    peer.write('one\n');
    expect(await first).toBe('one');
  });
});

describe('time limits', () => {
  it('each call may have its own', async () => {
    const { client } = await pair({ timeout: 60_000 });
    expect((await failureOf(client.recv({ timeout: 5 }))).message).toContain('not within 5 ms');
    expect((await failureOf(client.closed({ timeout: 5 }))).message).toContain('not within 5 ms');
  });

  it('the client has one for all calls', async () => {
    const { client } = await pair({ timeout: 5 });
    expect((await failureOf(client.line())).message).toContain('not within 5 ms');
  });

  it('a call that was too late leaves what arrived to the next', async () => {
    const { client, peer } = await pair();
    peer.write('par');
    await failureOf(client.line({ timeout: 20 }));
    peer.write('t\n');
    expect(await client.line()).toBe('part');
  });

  it('leave no timer behind once a call has its answer', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const { client, peer } = await pair();
    peer.write('one\n');
    await client.line({ timeout: 60_000 });
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it('the error points to the line of the test and shows what the server logged', async () => {
    const { client } = await pair({ serverErrors: () => ['error: out of ink'] });
    const error = await failureOf(client.recv({ timeout: 5 }));
    expect(error.stack?.split('\n').find((line) => line.includes(' at '))).toContain('test-client.test.ts');
    expect(error.message).toContain('error: out of ink');
  });
});

describe('sending', () => {
  it('sends text and bytes in order', async () => {
    const { client, peer } = await pair();
    await client.send('one');
    await client.send(Buffer.from('two'));
    await client.end();
    const chunks: Buffer[] = [];
    for await (const chunk of peer) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('onetwo');
  });

  it('is not done while the server does not read', async () => {
    const { client, peer } = await pair();
    peer.pause();
    const error = await failureOf(client.send(Buffer.alloc(64 * 1024 * 1024), { timeout: 50 }));
    expect(error.message).toContain('expected to send 67108864 bytes, but not within 50 ms');
  });

  it('fails when the connection is reset', async () => {
    const { client, peer } = await pair();
    const sending = client.send(Buffer.alloc(64 * 1024 * 1024));
    peer.resetAndDestroy();
    await failureOf(sending);
    await failureOf(client.send('more'));
  });
});

describe('the end of a connection', () => {
  it('after its own FIN the client still receives', async () => {
    const { client, peer } = await pair();
    await client.end();
    peer.resume();
    await once(peer, 'end');
    peer.end('late');
    await client.receive('late');
    expect(await client.closed()).toBe('end');
  });

  it('after the FIN of the server the client still sends', async () => {
    const { client, peer } = await pair();
    peer.end();
    expect(await client.closed()).toBe('end');
    await client.send('late');
    const [chunk] = (await once(peer, 'data')) as [Buffer];
    expect(chunk.toString()).toBe('late');
  });

  it('closed tells a reset from an end', async () => {
    const { client, peer } = await pair();
    const closed = client.closed();
    peer.resetAndDestroy();
    expect(await closed).toBe('reset');
  });

  it('closed tells a reset behind more than one read takes from an end', async () => {
    const { client, peer } = await pair();
    client.pause();
    // More than one read of libuv takes, and less than the kernel does.
    await new Promise((resolve) => peer.write(Buffer.alloc(1_000_000), resolve));
    peer.resetAndDestroy();
    await once(peer, 'close');
    client.resume();
    expect(await client.closed()).toBe('reset');
    expect(client.transcript.entries.at(-1)).toMatchObject({ direction: 'received', kind: 'reset' });
  });

  it('closed tells an end that a reset has followed from a reset', async () => {
    const { client, peer } = await pair();
    client.pause();
    await new Promise((resolve) => peer.write(Buffer.alloc(100_000), resolve));
    peer.end();
    await once(peer, 'finish');
    // Nobody reads it: that makes it a reset.
    await client.send('too late');
    await nextTurn();
    peer.destroy();
    await once(peer, 'close');
    client.resume();
    expect(await client.closed()).toBe('end');
  });

  it('closed tells when the client itself was the one', async () => {
    const { client } = await pair();
    client.destroy();
    expect(await client.closed()).toBe('client');
  });

  it('reset is seen by the server as ECONNRESET', async () => {
    const { client, peer } = await pair();
    peer.resume();
    client.reset();
    await expect(once(peer, 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await client.closed()).toBe('client');
  });
});

describe('a slow reader', () => {
  it('takes nothing while paused and loses nothing', async () => {
    const { client, peer } = await pair();
    client.pause();
    const total = 32 * 1024 * 1024;
    peer.write(Buffer.alloc(total, 'x'));
    await nextTurn();
    await nextTurn();
    expect(peer.writableLength).toBeGreaterThan(0);
    expect(client.received.length).toBeLessThan(total);
    client.resume();
    expect((await client.receive(total)).length).toBe(total);
  });

  it('an error says that reading is paused', async () => {
    const { client, peer } = await pair();
    client.pause();
    peer.end('not read');
    expect((await failureOf(client.closed({ timeout: 20 }))).message).toContain('reading is paused');
  });
});

describe('expecting nothing', () => {
  it('passes when nothing comes', async () => {
    const { client } = await pair();
    await client.expectNothing(20);
  });

  it('fails at once when something comes, or was there already', async () => {
    const { client, peer } = await pair();
    const nothing = client.expectNothing(60_000);
    peer.write('!');
    expect((await failureOf(nothing)).message).toContain('expected nothing for 60000 ms, but bytes arrived');
    await failureOf(client.expectNothing(60_000));
  });

  it('fails at once when the server closes', async () => {
    const { client, peer } = await pair();
    const nothing = client.expectNothing(60_000);
    peer.end();
    await failureOf(nothing);
  });
});

it('await using closes the client', async () => {
  const server = await listening();
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  {
    await using client = await TestClient.connect({ port: (server.address() as AddressInfo).port });
    await client.send('x');
  }
  const [peer] = await accepted;
  peer.resume();
  await once(peer, 'end');
  peer.destroy();
});

describe('the transcript', () => {
  it('has both directions in order, and the ends', async () => {
    const { client, peer } = await pair();
    await client.send('one');
    peer.write('two');
    await client.receive('two');
    await client.end();
    peer.end();
    await client.closed();
    const entries = client.transcript.entries.map(({ direction, kind, bytes }) => `${direction} ${kind} ${bytes}`);
    expect(entries).toEqual(['sent bytes one', 'received bytes two', 'sent end ', 'received end ']);
    expect(String(client.transcript)).toContain('sent     3 bytes "one"');
  });

  it('has resets, with who made them', async () => {
    const { client, peer } = await pair();
    const other = await pair();
    peer.resume();
    client.reset();
    await client.closed();
    expect(client.transcript.entries).toMatchObject([{ direction: 'sent', kind: 'reset' }]);
    other.peer.resetAndDestroy();
    await other.client.closed();
    expect(other.client.transcript.entries).toMatchObject([{ direction: 'received', kind: 'reset' }]);
  });

  it('keeps what was sent, also when the buffer is filled again', async () => {
    const { client } = await pair();
    const buffer = Buffer.from('one');
    const sent = client.send(buffer);
    buffer.fill('x');
    await sent;
    expect(String(client.transcript.entries[0]?.bytes)).toBe('one');
  });

  it('is shown where a call fails, its end at least', async () => {
    const { client, peer } = await pair();
    for (let count = 0; count < 10; count++) await client.send(`message ${count}`);
    peer.write('no');
    const { message } = await failureOf(client.receive('yes'));
    expect(message).toMatch(/transcript:\n {4}… 3 earlier\n/);
    expect(message).toMatch(/ms sent {5}9 bytes "message 9"\n.*ms received 2 bytes "no"$/);
  });
});

describe('a PROXY header', () => {
  const source = { address: '203.0.113.7', port: 4711 };

  async function firstBytesOf(proxy: TestClientOptions['proxy'], length: number): Promise<Buffer> {
    const { client, peer } = await pair({ ...(proxy !== undefined && { proxy }) });
    await client.send('hello');
    const chunks: Buffer[] = [];
    while (Buffer.concat(chunks).length < length) chunks.push(((await once(peer, 'data')) as [Buffer])[0]);
    return Buffer.concat(chunks);
  }

  it('goes first, and leads to where the client has connected', async () => {
    const first = await firstBytesOf({ version: 1, source }, 20);
    expect(String(first)).toMatch(/^PROXY TCP4 203\.0\.113\.7 127\.0\.0\.1 4711 \d+\r\n/);
  });

  it('is what proxyHeader of the core writes', async () => {
    const options = { source, destination: { address: '198.51.100.1', port: 25 }, authority: 'a.test' };
    const header = proxyHeader(options);
    const first = await firstBytesOf(options, header.length + 5);
    expect(first).toEqual(Buffer.concat([header, Buffer.from('hello')]));
  });

  it('may be any bytes', async () => {
    expect(String(await firstBytesOf('PROXY NONSENSE\r\n', 21))).toBe('PROXY NONSENSE\r\nhello');
  });
});

describe('faked timers', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('do not move the time that a test allows for', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
    const { client, peer } = await pair();
    const line = client.line();
    await vi.advanceTimersByTimeAsync(3_600_000);
    peer.write('one\n');
    expect(await line).toBe('one');
    expect(client.transcript.entries[0]?.at).toBeLessThan(3_600_000);
  });

  it('do not stop it either', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { client } = await pair();
    expect((await failureOf(client.line({ timeout: 5 }))).message).toContain('not within 5 ms');
  });
});

describe('over something else than a socket', () => {
  function transportOver(stream: Duplex): ClientTransport {
    return {
      stream,
      connecting: false,
      name: 'memory',
      host: 'localhost',
      localPort: undefined,
      remote: undefined,
      resetAtEnd: () => undefined,
      resetWhenDestroyed: () => {},
    };
  }

  it('the first error counts, where TLS and what is below tell', async () => {
    const authority = await certificates();
    const [near, far] = duplexPair();
    const peer = new TLSSocket(far, { isServer: true, ...authority.server });
    const client = await TestClient.over(transportOver(near), { secure: true });
    near.destroy(new Error('unplugged'));
    await client.closed();
    await client.send('x').catch(() => {});
    expect(client.error?.message).toBe('unplugged');
    expect(client.transcript.entries.filter(({ kind }) => kind === 'reset')).toHaveLength(1);
    client.destroy();
    peer.destroy();
  });

  it('a client is the same, encrypted as well', async () => {
    const authority = await certificates();
    const [near, far] = duplexPair();
    const resets: string[] = [];
    const peer = new TLSSocket(far, { isServer: true, ...authority.server });
    peer.on('data', (chunk) => peer.write(chunk));
    const client = await TestClient.over(
      { ...transportOver(near), resetWhenDestroyed: () => resets.push('reset') },
      { codec: lines(), secure: { ca: authority.ca.cert } },
    );
    expect(client.authorized).toBe(true);
    await client.send('hello');
    expect(await client.recv()).toBe('hello');
    expect((await failureOf(client.recv({ timeout: 5 }))).message).toContain('; to memory');
    client.reset();
    expect(resets).toEqual(['reset']);
    client.destroy();
    expect(await client.closed()).toBe('client');
    expect(near.destroyed).toBe(true);
    peer.destroy();
  });
});
