// TLS on a listener: what both sides agree on, and that connections go on and end as they do without TLS.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { Duplex } from 'node:stream';
import { connect, type SecureVersion } from 'node:tls';
import {
  type CloseReason,
  type Connection,
  lines,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  Reagent,
  type TlsOptions,
} from '@reagent/core';
import { certificates, createTestApp, type TestApp, type TestClientTls } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { counted } from './support/counted.js';
import { Gate } from './support/gate.js';
import { leave } from './support/leave.js';
import { Mailbox } from './support/mailbox.js';
import { needs, Program } from './support/program.js';

const pki = await certificates();
const versions: readonly SecureVersion[] = ['TLSv1.2', 'TLSv1.3'];

/** Says what it knows of a client, then repeats what the client says. */
@Reagent({ port: 0, codec: lines() })
class Echo {
  readonly closes = new Mailbox<CloseReason>();

  @OnConnection()
  hello(conn: Connection<string>) {
    conn.send(JSON.stringify({ secure: conn.secure, alpn: conn.alpnProtocol, name: conn.serverName }));
  }

  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }

  @OnClose()
  closed(_conn: Connection<string>, reason: CloseReason) {
    this.closes.put(reason);
  }
}

function listening(secure: TlsOptions | false = pki.server): Promise<TestApp> {
  return createTestApp(Echo, { descriptors: { Echo: { secure } } }).start();
}

/** What the server knows of such a client, and the name on the certificate that the client was shown. */
async function visit(app: TestApp, secure: boolean | TestClientTls): Promise<{ server: unknown; shown?: string }> {
  await using client = await app.connect(Echo, { secure });
  const server: unknown = JSON.parse(await client.line());
  await client.send('and back\n');
  await client.receive('and back\n');
  const shown = client.peerCertificate?.subject;
  return shown === undefined ? { server } : { server, shown };
}

/** Waits until a client that was refused is gone, and tells why it was. */
async function whyRefused(app: TestApp): Promise<Record<string, number>> {
  const listener = app.listener(Echo);
  await listener.waitForConnections((open) => open === 0, { timeout: 4_000 });
  const { tls, connections } = listener.stats();
  expect(counted(connections.rejected)).toEqual({ handshake: 1 });
  expect(tls.handshakes).toBe(0);
  return counted(tls.failed);
}

describe('a listener', () => {
  it('with certificate and key is secure, and shows the certificate', async () => {
    await using app = await listening();
    const listener = app.listener(Echo);
    expect(listener.secure).toBe(true);
    expect(listener.cert?.subject).toBe('CN=localhost');
    await using client = await app.connect(Echo, { secure: { ca: pki.ca.cert } });
    expect(client.authorized).toBe(true);
    expect(client.peerCertificate?.fingerprint256).toBe(listener.cert?.fingerprint256);
    expect(JSON.parse(await client.line())).toMatchObject({ secure: true });
    expect(listener.stats().tls).toMatchObject({ handshakes: 1, resumed: 0 });
  });

  it('without TLS is not, and its connections know of none', async () => {
    await using app = await listening(false);
    const { secure, cert } = app.listener(Echo);
    expect({ secure, cert }).toEqual({ secure: false, cert: undefined });
    expect(await visit(app, false)).toEqual({ server: { secure: false } });
  });

  it('asks @OnAccept before the handshake', async () => {
    @Reagent({ port: 0, secure: pki.server })
    class Choosy {
      @OnAccept()
      accept(incoming: { reject(): void }) {
        incoming.reject();
      }

      @OnData()
      data() {}
    }
    await using app = await createTestApp(Choosy).start();
    await expect(app.connect(Choosy)).rejects.toThrow();
    const { tls, connections } = app.listener(Choosy).stats();
    expect(counted(connections.rejected)).toEqual({ accept: 1 });
    expect([tls.handshakes, counted(tls.failed)]).toEqual([0, {}]);
  });

  it('takes a pfx in place of certificate and key', async () => {
    await using files = await pki.files();
    const archive = await Program.run('openssl', [
      ...['pkcs12', '-export', '-passout', 'pass:secret', '-out', `${files.directory}/server.p12`],
      ...['-in', files.server.cert, '-inkey', files.server.key],
    ]);
    expect(await archive.exit()).toBe(0);
    await using app = await listening({ pfx: `${files.directory}/server.p12`, passphrase: 'secret' });
    expect(app.listener(Echo).cert?.subject).toBe('CN=localhost');
    expect(await visit(app, true)).toMatchObject({ shown: 'CN=localhost' });
  });

  it('decrypts a key', async () => {
    const encrypted = await pki.for('localhost', { passphrase: 'secret' });
    await using app = await listening(encrypted);
    expect(await visit(app, true)).toMatchObject({ shown: 'CN=localhost' });
  });
});

describe('the name that a client asks for', async () => {
  const [exact, wildcard, own] = [
    await pki.for('exact.example.com', { commonName: 'exact' }),
    await pki.for('*.example.com', { commonName: 'wildcard' }),
    await pki.for('own.example.com', { commonName: 'own' }),
  ];
  const sni = { 'exact.example.com': exact, '*.example.com': wildcard, 'own.example.com': own };

  it.each([
    ['exact.example.com', 'exact'],
    ['EXACT.example.com', 'exact'],
    ['own.example.com', 'own'],
    ['any.example.com', 'wildcard'],
    ['example.com', 'localhost'],
    ['two.levels.example.com', 'localhost'],
    ['other.test', 'localhost'],
    ['', 'localhost'],
  ])('%j is shown the certificate for %s', async (servername, shown) => {
    await using app = await listening({ ...pki.server, sni });
    const name = servername === '' ? {} : { name: servername };
    expect(await visit(app, { servername })).toEqual({ server: { secure: true, ...name }, shown: `CN=${shown}` });
  });

  it('needs no default certificate', async () => {
    await using app = await listening({ sni });
    expect(app.listener(Echo).cert).toBeUndefined();
    expect(await visit(app, { servername: 'exact.example.com' })).toMatchObject({ shown: 'CN=exact' });
  });

  it.each([
    ['other.test', 'TLSv1.2'],
    ['other.test', 'TLSv1.3'],
    ['', 'TLSv1.3'],
  ] as const)('%j for which there is no certificate is refused, over %s', async (servername, maxVersion) => {
    await using app = await listening({ sni });
    await expect(app.connect(Echo, { secure: { servername, maxVersion } })).rejects.toThrow(/handshake failure/);
    expect(await whyRefused(app)).toEqual({ serverName: 1 });
    expect(app.logs.at(-1)?.fields.error).toContain(servername === '' ? 'names none' : servername);
  });
});

describe('protocols (ALPN)', () => {
  it.each([
    { alpn: ['h2', 'echo'], offered: ['echo', 'h2'], agreed: 'h2', why: 'the server prefers it' },
    { alpn: ['echo'], offered: ['other', 'echo'], agreed: 'echo', why: 'it is the only one in common' },
    { alpn: ['echo'], offered: undefined, agreed: undefined, why: 'the client offers none' },
    { alpn: undefined, offered: ['echo'], agreed: undefined, why: 'the server has none' },
  ])('come to $agreed when $why', async ({ alpn, offered, agreed }) => {
    await using app = await listening({ ...pki.server, ...(alpn && { alpn }) });
    await using client = await app.connect(Echo, { secure: offered ? { alpn: offered } : true });
    expect(client.alpnProtocol).toBe(agreed);
    expect(JSON.parse(await client.line()).alpn).toBe(agreed);
  });

  it.each(versions)('that have none in common are refused with an alert that says so, over %s', async (maxVersion) => {
    await using app = await listening({ ...pki.server, alpn: ['echo'] });
    const secure = { maxVersion, alpn: ['other'] };
    await expect(app.connect(Echo, { secure })).rejects.toThrow(/no application protocol/);
    expect(await whyRefused(app)).toEqual({ alpn: 1 });
  });
});

describe('versions', () => {
  it.each([
    { options: {}, client: {}, agreed: 'TLSv1.3' },
    { options: {}, client: { maxVersion: 'TLSv1.2' }, agreed: 'TLSv1.2' },
    { options: { maxVersion: 'TLSv1.2' }, client: {}, agreed: 'TLSv1.2' },
    { options: { minVersion: 'TLSv1.3' }, client: {}, agreed: 'TLSv1.3' },
  ] as const)('with $options here and $client there are $agreed', async ({ options, client: secure, agreed }) => {
    await using app = await listening({ ...pki.server, ...options });
    await using client = await app.connect(Echo, { secure });
    expect(client.tlsVersion).toBe(agreed);
  });

  it.each([
    { options: {}, client: { maxVersion: 'TLSv1.1' } },
    { options: {}, client: { maxVersion: 'TLSv1' } },
    { options: { minVersion: 'TLSv1.3' }, client: { maxVersion: 'TLSv1.2' } },
    { options: { maxVersion: 'TLSv1.2' }, client: { minVersion: 'TLSv1.3' } },
  ] as const)('with $options here and $client there have none in common', async ({ options, client: secure }) => {
    await using app = await listening({ ...pki.server, ...options });
    await expect(app.connect(Echo, { secure })).rejects.toThrow(/alert protocol version/);
    expect(await whyRefused(app)).toEqual({ version: 1 });
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)('are as old as %s where that is written out', async (version) => {
    await using app = await listening({ ...pki.server, minVersion: version, ciphers: 'DEFAULT:@SECLEVEL=0' });
    await using client = await app.connect(Echo, { secure: { maxVersion: version } });
    expect(client.tlsVersion).toBe(version);
  });
});

describe('ciphers', () => {
  const [aes128, aes256] = ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'];
  const [new128, new256] = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384'];

  it.each([
    { version: 'TLSv1.2', ours: `${aes256}:${aes128}`, theirs: `${aes128}:${aes256}`, agreed: aes256 },
    { version: 'TLSv1.2', ours: `${aes128}:${aes256}`, theirs: `${aes256}:${aes128}`, agreed: aes128 },
    { version: 'TLSv1.3', ours: `${new256}:${new128}`, theirs: `${new128}:${new256}`, agreed: new256 },
    { version: 'TLSv1.3', ours: `${new128}:${new256}`, theirs: `${new256}:${new128}`, agreed: new128 },
  ] as const)('over $version follow the order of the server: $agreed', async ({ version, ours, theirs, agreed }) => {
    await using app = await listening({ ...pki.server, ciphers: ours, minVersion: version, maxVersion: version });
    const socket = connect({ port: app.listener(Echo).port, ciphers: theirs, rejectUnauthorized: false });
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    expect(socket.getCipher().standardName).toMatch(agreed.startsWith('TLS_') ? agreed : /AES_(128|256)/);
    expect(socket.getCipher().name).toBe(agreed);
    socket.destroy();
  });

  it.each([
    { version: 'TLSv1.2', ours: aes256, theirs: aes128 },
    { version: 'TLSv1.3', ours: new256, theirs: new128 },
  ] as const)('over $version with none in common are refused', async ({ version, ours, theirs }) => {
    await using app = await listening({ ...pki.server, ciphers: ours, minVersion: version, maxVersion: version });
    await expect(app.connect(Echo, { secure: { ciphers: theirs } })).rejects.toThrow(/handshake failure/);
    expect(await whyRefused(app)).toEqual({ cipher: 1 });
  });
});

/** A socket of which only what TLS sends gets out: its FIN does not. */
class WithoutFin extends Duplex {
  readonly #socket;

  constructor(port: number) {
    super();
    this.#socket = connectPlain({ port, host: '127.0.0.1' });
    this.#socket.on('data', (chunk) => this.push(chunk)).on('end', () => this.push(null));
    this.#socket.on('error', (error) => this.destroy(error));
    this.on('error', () => {}); // Told by the server.
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

describe.each(versions)('a connection over %s', (version) => {
  const secure = { ca: pki.ca.cert, minVersion: version, maxVersion: version };

  it.each([
    ['push', 2_000_000],
    ['pull', 2_000_000],
  ])('carries megabytes both ways at once, in %s style', async (style, size) => {
    @Reagent({ port: 0, secure: pki.server })
    class Push {
      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }
    @Reagent({ port: 0, secure: pki.server })
    class Pull {
      @OnConnection()
      async echo(conn: Connection) {
        for await (const data of conn) conn.send(data);
      }
    }
    const reagent = style === 'push' ? Push : Pull;
    await using app = await createTestApp(reagent).start();
    await using client = await app.connect(reagent, { secure, timeout: 10_000 });
    const sent = randomBytes(size);
    const [, received] = await Promise.all([client.send(sent), client.receive(size)]);
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(digest(received)).toBe(digest(sent));
    const { bytes } = app.listener(reagent).stats();
    expect(bytes).toEqual({ in: size, out: size });
  });

  it('answers a client that has ended its side, however late', async () => {
    const gate = new Gate();
    @Reagent({ port: 0, secure: pki.server, codec: lines() })
    class Late {
      @OnData()
      async answer(conn: Connection<string>, line: string) {
        await gate.passed();
        conn.send(`late: ${line}`);
      }
    }
    await using app = await createTestApp(Late).start();
    await using client = await app.connect(Late, { secure });
    await client.send('one\ntwo\n');
    await client.end();
    gate.open();
    await client.receive('late: one\nlate: two\n');
    expect(await leave(client)).toBe('end');
  });

  it('answers clients that have said all and ended before the handshake is over', async () => {
    await using app = await listening();
    const { port } = app.listener(Echo);
    const visits = Array.from({ length: 30 }, async (_, index) => {
      const socket = connect({ port, servername: 'localhost', ...secure });
      let received = '';
      socket.on('data', (chunk) => (received += String(chunk)));
      socket.end(`one\ntwo\nthis is ${index}`);
      await once(socket, 'close');
      return received;
    });
    const expected = visits.map((_, index) => expect.stringMatching(new RegExp(`\none\ntwo\nthis is ${index}\n$`)));
    expect(await Promise.all(visits)).toEqual(expected);
  });

  it('knows both ends', async () => {
    const ends = new Mailbox<unknown>();
    @Reagent({ port: 0, secure: pki.server })
    class Ends {
      @OnData()
      data({ remote, local }: Connection) {
        ends.put({ remote: remote.port, local: local.port });
      }
    }
    await using app = await createTestApp(Ends).start();
    const client = await app.connect(Ends, { secure });
    await client.send('who am I?');
    expect(await ends.take()).toEqual({ remote: client.localPort, local: app.listener(Ends).port });
  });

  it('ends when the client sends the closing alert alone, without a FIN', async () => {
    await using app = await listening();
    const carrier = new WithoutFin(app.listener(Echo).port);
    const socket = connect({ socket: carrier, servername: 'localhost', ...secure });
    let received = '';
    socket.on('data', (chunk) => (received += String(chunk)));
    socket.end('one\ntwo');
    expect(await app.resolve(Echo).closes.take()).toEqual({ kind: 'client' });
    expect(received).toMatch(/\none\ntwo\n$/);
    carrier.destroy();
  });

  it(`ends when the client is gone without the closing alert${needs('openssl')}`, async (context) => {
    context.skip(needs('openssl') !== '');
    await using app = await listening();
    await using client = Program.start('openssl', [
      ...['s_client', '-quiet', `-${version.toLowerCase().replace('v', '').replace('.', '_')}`],
      ...['-connect', `127.0.0.1:${app.listener(Echo).port}`],
    ]);
    client.write('one\n');
    await client.printed(/one\n/);
    await client.kill();
    expect(await app.resolve(Echo).closes.take()).toEqual({ kind: 'client' });
  });

  it('that the client resets is closed as reset', async () => {
    await using app = await listening();
    const client = await app.connect(Echo, { secure });
    await client.line();
    client.reset();
    expect(await app.resolve(Echo).closes.take()).toMatchObject({ kind: 'reset', error: { code: 'ECONNRESET' } });
  });

  it('whose bytes are tampered with fails alone, with the reason', async () => {
    await using app = await listening();
    await using bystander = await app.connect(Echo, { secure });
    await bystander.line();
    const carrier = new WithoutFin(app.listener(Echo).port);
    const socket = connect({ socket: carrier, servername: 'localhost', ...secure });
    socket.on('error', () => {}); // The server's alert.
    await new Promise((resolve) => socket.once('data', resolve));
    // A record of the right shape that nobody with the keys has made.
    carrier.write(Buffer.concat([Buffer.from([0x17, 3, 3, 0, 32]), randomBytes(32)]));
    const reason = await app.resolve(Echo).closes.take();
    expect(reason).toMatchObject({ kind: 'error', error: { code: 'ERR_REAGENT_TLS', failure: 'other' } });
    expect(app.logs.filter(({ message }) => message === 'connection failed').map(({ level }) => level)).toEqual([
      'info',
    ]);
    await bystander.send('still here\n');
    await bystander.receive('still here\n');
    carrier.destroy();
  });
});
