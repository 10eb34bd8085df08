// Handshakes that fail or stall: each costs its own client alone, is counted under its reason, and leaves nothing behind.

import { existsSync, readdirSync } from 'node:fs';
import { type Connection, type DescriptorInput, lines, OnData, Reagent } from '@reagent/core';
import {
  certificates,
  clientHello,
  createTestApp,
  drip,
  flood,
  stalledHandshake,
  type TestApp,
  TestClient,
  type TestClientTls,
} from '@reagent/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { counted } from './support/counted.js';
import { needs, Program } from './support/program.js';
import { until } from './support/until.js';

const pki = await certificates();

/** Milliseconds for a handshake that is to run out of time. */
const HANDSHAKE = 150;

const DESCRIPTORS = '/proc/self/fd';
const canCountDescriptors = existsSync(DESCRIPTORS);
const openDescriptors = (): number => (canCountDescriptors ? readdirSync(DESCRIPTORS).length : 0);

// With a limit per address, the address of each client is known from its beginning.
@Reagent({ port: 0, codec: lines(), secure: pki.server, maxConnectionsPerIp: 1_000 })
class Echo {
  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }
}

function listening(descriptor: DescriptorInput = {}): Promise<TestApp> {
  return createTestApp(Echo, { descriptors: { Echo: descriptor } }).start();
}

async function shakesHands(app: TestApp, secure: boolean | TestClientTls): Promise<void> {
  await using client = await app.connect(Echo, { secure });
  await client.send('hello\n');
  await client.receive('hello\n');
}

/** A client that shakes hands in a way that the server does not go along with. */
function shaking(secure: TestClientTls) {
  return (app: TestApp): Promise<void> => expect(shakesHands(app, secure)).rejects.toThrow();
}

/** A client that sends these bytes, and then waits for the server to close. */
function saying(text: string | Uint8Array) {
  return async (app: TestApp): Promise<void> => {
    await using client = await TestClient.connect({ port: app.listener(Echo).port });
    await client.send(text);
    expect(await client.closed()).toBe('end');
  };
}

/** A client that sends a part of its first message and then leaves. */
function leaving(how: 'end' | 'reset', bytes: number) {
  return async (app: TestApp): Promise<void> => {
    const listener = app.listener(Echo);
    await using client = await stalledHandshake(listener, { bytes });
    await until(() => listener.stats().connections.active === 1);
    await client[how]();
  };
}

/** A client that is cut off while it takes its time. */
function dawdling(dawdle: (client: TestClient) => Promise<unknown>) {
  return async (app: TestApp): Promise<void> => {
    await using client = await TestClient.connect({ port: app.listener(Echo).port });
    await dawdle(client);
    expect(await client.closed()).toBe('reset');
  };
}

interface Failing {
  readonly reason: string;
  readonly client: string;
  readonly descriptor?: DescriptorInput;
  readonly comes: (app: TestApp) => Promise<void>;
  /** What the line in the log says. */
  readonly says: RegExp;
}

const mutual = { secure: { ...pki.server, ca: pki.ca.cert, requestCert: true } };
const short = { timeouts: { handshake: HANDSHAKE } };
const late = new RegExp(`within ${HANDSHAKE} ms`);
const named = { secure: { sni: { 'example.com': await pki.for('example.com') } } };
/** A ClientHello that ends in the middle of what it says it has. */
const tornHello = Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 2]);

const failures: readonly Failing[] = [
  { reason: 'timeout', client: 'says nothing', descriptor: short, comes: dawdling(async () => {}), says: late },
  {
    reason: 'timeout',
    client: 'sends half a ClientHello',
    descriptor: short,
    comes: dawdling(async (client) => {
      const hello = await clientHello();
      await client.send(hello.subarray(0, hello.length / 2));
    }),
    says: late,
  },
  {
    reason: 'timeout',
    client: 'sends a byte now and then',
    descriptor: short,
    comes: dawdling(async (client) => drip(client, await clientHello(), { every: HANDSHAKE / 10 })),
    says: late,
  },
  { reason: 'client', client: 'ends without a word', comes: leaving('end', 0), says: /closed the connection/ },
  { reason: 'client', client: 'ends within its ClientHello', comes: leaving('end', 99), says: /closed the connection/ },
  { reason: 'client', client: 'resets without a word', comes: leaving('reset', 0), says: /closed the connection/ },
  { reason: 'client', client: 'resets within its ClientHello', comes: leaving('reset', 99), says: /closed the conn/ },
  { reason: 'version', client: 'is old', comes: shaking({ maxVersion: 'TLSv1.1' }), says: /minVersion/ },
  {
    reason: 'cipher',
    client: 'knows none of the ciphers',
    descriptor: { secure: { ...pki.server, ciphers: 'TLS_AES_256_GCM_SHA384', minVersion: 'TLSv1.3' } },
    comes: shaking({ ciphers: 'TLS_AES_128_GCM_SHA256' }),
    says: /no cipher.* in common/,
  },
  {
    reason: 'serverName',
    client: 'asks for a name for which there is no certificate',
    descriptor: named,
    comes: shaking({ servername: 'example.org' }),
    says: /\(example\.org\)/,
  },
  {
    reason: 'alpn',
    client: 'offers other protocols',
    descriptor: { secure: { ...pki.server, alpn: ['echo'] } },
    comes: shaking({ alpn: ['other'] }),
    says: /alpn/,
  },
  {
    reason: 'certificate',
    client: 'shows no certificate',
    descriptor: mutual,
    comes: shaking({}),
    says: /certificate/,
  },
  {
    reason: 'certificate',
    client: 'shows a certificate of another authority',
    descriptor: mutual,
    comes: shaking(pki.other.client),
    says: /UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
  },
  { reason: 'notTls', client: 'speaks HTTP', comes: saying('GET / HTTP/1.1\r\n\r\n'), says: /does not speak TLS/ },
  { reason: 'notTls', client: 'speaks SSH', comes: saying('SSH-2.0-OpenSSH_9.2\r\n'), says: /does not speak TLS/ },
  { reason: 'notTls', client: 'sends a record too long', comes: saying('\x16\x03\x01zzzzzzz'), says: /not speak TLS/ },
  { reason: 'other', client: 'sends a torn ClientHello', comes: saying(tornHello), says: /TLS failed .*LENGTH/ },
];

afterEach(() => void vi.useRealTimers());

describe('a client that', () => {
  it.each(failures)('$client is refused, counted as $reason', async ({ reason, descriptor, comes, says }) => {
    await using app = await listening(descriptor);
    const listener = app.listener(Echo);
    const before = openDescriptors();
    await comes(app);
    await listener.waitForConnections((open) => open === 0, { timeout: 4_000 });

    const { tls, connections, acceptors, handlerErrors } = listener.stats();
    expect(counted(tls.failed)).toEqual({ [reason]: 1 });
    expect(tls.handshakes).toBe(0);
    expect(counted(connections.rejected)).toEqual({ handshake: 1 });
    expect(counted(connections.closed)).toEqual({});
    expect([acceptors.busy, acceptors.waiting, connections.waiting, handlerErrors]).toEqual([0, 0, 0, 0]);
    await until(() => openDescriptors() === before);

    const lines = app.logs.slice(1);
    expect(lines.map(({ level, message }) => `${level}: ${message}`)).toEqual(['info: TLS handshake failed']);
    expect(lines[0]?.fields).toEqual({
      listener: 'Echo',
      remote: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      error: expect.stringMatching(says),
    });
  });

  it.each(['TLSv1.2', 'TLSv1.3'])(
    `does not trust our certificate and says so is counted as refused, over %s${needs('openssl')}`,
    async (version) => {
      if (needs('openssl') !== '') return;
      await using app = await listening();
      await using files = await pki.other.files();
      const listener = app.listener(Echo);
      const client = await Program.run('openssl', [
        ...['s_client', '-connect', `127.0.0.1:${listener.port}`, version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3'],
        ...['-CAfile', files.ca, '-verify_return_error'],
      ]);
      expect(client.errors).toContain('certificate verify failed');
      await listener.waitForConnections((open) => open === 0, { timeout: 4_000 });
      expect(counted(listener.stats().tls.failed)).toEqual({ refused: 1 });
      expect(app.logs.at(-1)?.fields.error).toMatch(/does not trust the certificate.*UNKNOWN_CA/);
    },
  );
});

describe('handshakes that fail', () => {
  it('disturb no other client, before, meanwhile or after', async () => {
    await using app = await listening({ timeouts: { handshake: 60_000 } });
    const early = await app.connect(Echo);
    const listener = app.listener(Echo);
    await using _silent = await flood(50, listener);
    await using _noise = await flood(50, listener, { send: 'what?\n' });
    await using _torn = await flood(50, listener, { send: tornHello });
    await Promise.all(Array.from({ length: 20 }, () => shakesHands(app, true)));
    await early.send('still here\n');
    await early.receive('still here\n');
    await until(() => listener.stats().connections.rejected.handshake === 100);
    expect(counted(listener.stats().tls.failed)).toEqual({ notTls: 50, other: 50 });
  });

  it('are logged a few times, and then counted', async () => {
    const app = await listening();
    const listener = app.listener(Echo);
    await using _noise = await flood(40, listener, { send: 'what?\n' });
    await until(() => listener.stats().connections.rejected.handshake === 40);
    const messages = () => app.logs.filter(({ message }) => message.startsWith('TLS handshake failed'));
    expect(messages()).toHaveLength(10);
    await app.stop();
    expect(messages()).toHaveLength(11);
    expect(messages().at(-1)).toMatchObject({
      message: 'TLS handshake failed, and more of the kind',
      fields: { more: 30 },
    });
  });

  it('leave no timer behind', async () => {
    const app = await listening();
    const listener = app.listener(Echo);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
    const client = await stalledHandshake(listener);
    await until(() => listener.stats().connections.active === 1);
    expect(vi.getTimerCount()).toBe(1);
    client.reset();
    await listener.waitForConnections((open) => open === 0);
    // That of the lines in the log, of which so many are written in a time.
    expect(vi.getTimerCount()).toBe(1);
    await app.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a client that takes its time', () => {
  it('keeps no acceptor from others', async () => {
    await using app = await listening({ acceptors: 1, timeouts: { handshake: 60_000 } });
    await using _slow = await flood(5, app.listener(Echo));
    await shakesHands(app, true);
  });

  it('counts against maxConnections, and lets the next one in when its time is over', async () => {
    await using app = await listening({ maxConnections: 1, ...short });
    await using slow = await stalledHandshake(app.listener(Echo));
    await shakesHands(app, true);
    expect(await slow.closed()).toBe('reset');
    expect(counted(app.listener(Echo).stats().connections.rejected)).toEqual({ handshake: 1 });
  });

  it('is not waited for when the application stops', async () => {
    const app = await listening({ timeouts: { handshake: 60_000 } });
    const listener = app.listener(Echo);
    await using slow = await stalledHandshake(listener);
    await until(() => listener.stats().connections.active === 1);
    await app.application.stop({ timeout: 60_000 });
    expect(await slow.closed()).toBe('reset');
    expect(counted(listener.stats().connections.rejected)).toEqual({ shutdown: 1 });
    expect(counted(listener.stats().tls.failed)).toEqual({});
  });
});
