import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer as createPlainServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createServer, type TLSSocket, type TlsOptions, TLSSocket as TlsSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Certificates, certificates } from '../certificates/certificates.js';
import { TestClient, type TestClientOptions } from './test-client.js';
import { TestClientError } from './test-client-error.js';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const withOpenssl = hasOpenssl ? '' : ' (skipped: no openssl here)';

const opened: (() => unknown)[] = [];
let ca: Certificates;

beforeAll(async () => {
  ca = await certificates();
});

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function listening(server: Server, where: { path: string } | { port: number } = { port: 0 }): Promise<number> {
  server.on('connection', (socket: Socket) => opened.push(() => socket.destroy()));
  server.listen('path' in where ? where : { ...where, host: '127.0.0.1' });
  await once(server, 'listening');
  opened.push(() => new Promise((resolve) => server.close(resolve)));
  return 'path' in where ? 0 : (server.address() as AddressInfo).port;
}

/** A server that only shakes hands, unless the test does more with the sockets. */
async function tlsServer(options: TlsOptions = {}, accept: (peer: TLSSocket) => void = () => {}): Promise<number> {
  // Half-open, as the client is: Node.js would answer a FIN by itself.
  const server = createServer({ ...ca.server, allowHalfOpen: true, ...options } as TlsOptions, (peer) => {
    peer.on('error', () => {}); // The client tells.
    // Within the turn that ends the handshake, Node.js up to 24 leaves out the closing alert of TLS 1.3.
    setImmediate(() => accept(peer));
  });
  server.on('tlsClientError', () => {}); // The client tells.
  return listening(server);
}

async function connect(port: number, options: TestClientOptions = {}): Promise<TestClient> {
  const client = await TestClient.connect({ port }, { secure: { ca: ca.ca.cert }, ...options });
  opened.push(() => client.destroy());
  return client;
}

async function failureOf(promise: Promise<unknown>): Promise<TestClientError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TestClientError);
  return error as TestClientError;
}

const echo = (peer: TLSSocket) => peer.on('data', (chunk) => peer.write(chunk)).on('end', () => peer.end());

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('over %s', (version) => {
  const versions = { minVersion: version, maxVersion: version };

  it('a client sends and receives, and ends as over TCP', async () => {
    const client = await connect(await tlsServer(versions, echo));
    expect(client.tlsVersion).toBe(version);
    expect(client.secure).toBe(true);
    await client.send('hello\n');
    expect(await client.line()).toBe('hello');
    await client.send(Buffer.alloc(1_000_000, 'x'));
    expect((await client.receive(1_000_000)).every((byte) => byte === 0x78)).toBe(true);
    await client.end();
    expect(await client.closed()).toBe('end');
    expect(client.error).toBeUndefined();
  });

  it('after the FIN of the server the client still sends', async () => {
    let received: Promise<[Buffer]> | undefined;
    const port = await tlsServer(versions, (peer) => {
      received = once(peer, 'data') as Promise<[Buffer]>;
      peer.end('bye');
    });
    const client = await connect(port);
    await client.receive('bye');
    expect(await client.closed()).toBe('end');
    await client.send('late');
    expect(String((await received)?.[0])).toBe('late');
  });

  it('a reset of the client is a RST, and one of the server is told from an end', async () => {
    const peers: TLSSocket[] = [];
    const server = createPlainServer((socket) => {
      const peer = new TlsSocket(socket, { isServer: true, ...ca.server, ...versions });
      peer.once('secure', () => peers.push(peer.on('error', () => {})));
    });
    const sockets: Socket[] = [];
    server.on('connection', (socket) => sockets.push(socket));
    const port = await listening(server);
    const client = await connect(port);
    const second = await connect(port);
    await expect.poll(() => peers.length).toBe(2);
    const ended = once(peers[0]?.resume() as TLSSocket, 'end');
    client.reset();
    await expect(ended).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await client.closed()).toBe('client');
    const closed = second.closed();
    sockets[1]?.resetAndDestroy();
    expect(await closed).toBe('reset');
  });

  it('a reset behind more than one read takes is told from an end', async () => {
    let peer: TLSSocket | undefined;
    let socket: Socket | undefined;
    const server = createPlainServer((accepted) => {
      socket = accepted;
      peer = new TlsSocket(accepted, { isServer: true, ...ca.server, ...versions }).on('error', () => {});
    });
    const client = await connect(await listening(server));
    client.pause();
    await new Promise((resolve) => peer?.write(Buffer.alloc(500_000), resolve));
    socket?.resetAndDestroy();
    await nextTurn();
    client.resume();
    expect(await client.closed()).toBe('reset');
    expect(client.error).toMatchObject({ code: 'ECONNRESET' });
  });

  it('an end that a reset has followed is told from a reset', async () => {
    let peer: TLSSocket | undefined;
    const port = await tlsServer(versions, (accepted) => {
      peer = accepted;
    });
    const client = await connect(port);
    await expect.poll(() => peer).toBeDefined();
    client.pause();
    await new Promise((resolve) => peer?.end(Buffer.alloc(100_000), () => resolve(undefined)));
    // Nobody reads it: that makes it a reset.
    await client.send('too late');
    await nextTurn();
    peer?.destroy();
    await nextTurn();
    client.resume();
    expect(await client.closed()).toBe('end');
  });

  it('a session is resumed', async () => {
    const port = await tlsServer(versions, echo);
    const first = await connect(port);
    expect(first.sessionReused).toBe(false);
    const session = await first.nextSession();
    expect(first.session).toBeDefined();
    const second = await connect(port, { secure: { ca: ca.ca.cert, session } });
    expect(second.sessionReused).toBe(true);
    await second.send('again\n');
    expect(await second.line()).toBe('again');
  });

  it('each session is given once', async () => {
    const client = await connect(await tlsServer(versions, echo));
    const session = await client.nextSession();
    // A server of TLS 1.3 gives two, one of TLS 1.2 has no more.
    if (version === 'TLSv1.3') expect((await client.nextSession()).equals(session)).toBe(false);
    const error = await failureOf(client.nextSession({ timeout: 5 }));
    expect(error.message).toContain('expected a TLS session, but not within 5 ms');
  });

  it('a server that wants a certificate gets it', async () => {
    const port = await tlsServer({ ...versions, ca: ca.ca.cert, requestCert: true }, (peer) => {
      peer.end(String(peer.getPeerCertificate().subject.CN));
    });
    const client = await connect(port, { secure: { ca: ca.ca.cert, ...ca.client } });
    await client.receive('client');
  });
});

describe('the certificate of the server', () => {
  it('is checked if the client is told whom to trust', async () => {
    const port = await tlsServer();
    const client = await connect(port);
    expect(client.authorized).toBe(true);
    expect(client.authorizationError).toBeUndefined();
    expect(client.peerCertificate?.subject).toBe('CN=localhost');
    const error = await failureOf(connect(port, { secure: { ca: ca.other.ca.cert } }));
    expect(error.message).toContain(
      `expected a TLS handshake with 127.0.0.1:${port}, but got UNABLE_TO_VERIFY_LEAF_SIGNATURE: unable to verify`,
    );
    expect(error.message).toContain('TLS has failed (UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });

  it('may be any one if not, and what is wrong with it is known', async () => {
    const client = await connect(await tlsServer(), { secure: true });
    expect(client.authorized).toBe(false);
    expect(client.authorizationError).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    const lenient = await connect(await tlsServer({ ...ca.expired }), {
      secure: { ca: ca.ca.cert, rejectUnauthorized: false },
    });
    expect(lenient.authorizationError).toBe('CERT_HAS_EXPIRED');
    expect(lenient.peerCertificate?.fingerprint256).toBeDefined();
    lenient.destroy();
    await lenient.closed();
    expect(lenient.peerCertificate?.subject).toBe('CN=localhost');
  });

  it('has to name the host, or what the client asks for', async () => {
    const port = await tlsServer({
      ...ca.wrongHost,
      SNICallback: (name, done) => done(name === 'wrong.host.test' ? null : new Error(`asked for ${name}`)),
    });
    expect((await failureOf(connect(port))).message).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
    const client = await connect(port, { secure: { ca: ca.ca.cert, servername: 'wrong.host.test' } });
    expect(client.authorized).toBe(true);
    expect((await connect(await tlsServer(await ca.for('127.0.0.1')))).authorized).toBe(true);
    expect((await failureOf(connect(await tlsServer(await ca.for('127.0.0.2'))))).message).toContain('ALTNAME_INVALID');
  });

  it('is asked for by name where the client connects to a name', async () => {
    const names: string[] = [];
    const port = await tlsServer({ SNICallback: (name, done) => done(names.push(name) > 0 ? null : null) });
    const client = await TestClient.connect({ port, host: 'localhost' }, { secure: { ca: ca.ca.cert } });
    expect(names).toEqual(['localhost']);
    client.destroy();
  });
});

describe('what the sides agree on', () => {
  it('is one of the protocols that the client offers, or none', async () => {
    const port = await tlsServer({ ALPNProtocols: ['smtp', 'h2'] });
    const client = await connect(port, { secure: { alpn: ['h2', 'smtp'] } });
    expect(client.alpnProtocol).toBe('smtp');
    expect((await connect(port)).alpnProtocol).toBeUndefined();
  });

  it('is nothing if there is none, which the server tells with an alert', async () => {
    const port = await tlsServer({ ALPNProtocols: ['h2'] });
    const error = await failureOf(connect(port, { secure: { alpn: ['smtp'] } }));
    expect(error.message).toContain('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL');
    expect(error.cause).toMatchObject({ code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' });
  });

  it('is an old version where both insist', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } as const;
    const port = await tlsServer({ ...old, ciphers: 'DEFAULT:@SECLEVEL=0' });
    expect((await connect(port, { secure: { maxVersion: 'TLSv1.1' } })).tlsVersion).toBe('TLSv1.1');
    expect((await connect(port, { secure: old })).tlsVersion).toBe('TLSv1.1');
    const error = await failureOf(connect(await tlsServer(), { secure: { maxVersion: 'TLSv1.1' } }));
    expect(error.message).toContain('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: tlsv1 alert protocol version');
  });

  it('is what the ciphers allow', async () => {
    const port = await tlsServer({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' });
    const error = await failureOf(connect(port, { secure: { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' } }));
    expect(error.message).toMatch(/ALERT_HANDSHAKE_FAILURE/);
  });
});

describe('a handshake', () => {
  it('that the server does not take part in has a time limit', async () => {
    const port = await listening(createPlainServer());
    const error = await failureOf(connect(port, { timeout: 50 }));
    expect(error.message).toContain('TLS handshake with 127.0.0.1');
    expect(error.message).toContain('not within 50 ms');
    expect(error.message).toContain('in the TLS handshake');
  });

  it('that the server ends is told from one that it resets', async () => {
    const ending = await listening(createPlainServer((peer) => peer.resume().end()));
    expect((await failureOf(connect(ending))).message).toContain('but the server ended first');
    const resetting = await listening(createPlainServer((peer) => peer.once('data', () => peer.resetAndDestroy())));
    expect((await failureOf(connect(resetting))).message).toContain('but the server reset the connection');
    const client = await connect(ending, { secure: false });
    const [handshake, closed] = [failureOf(client.startTls()), client.closed()];
    await handshake;
    expect(await closed).toBe('end');
    await expect.poll(() => client.error?.code).toBe('ECONNRESET');
    expect(await client.closed()).toBe('end');
  });

  it('with a server that does not speak TLS fails at once, and shows what the server logged', async () => {
    const port = await listening(createPlainServer((peer) => void peer.on('error', () => {}).write('220 welcome\r\n')));
    const error = await failureOf(connect(port, { timeout: 60_000, serverErrors: () => ['error: out of ink'] }));
    expect(error.message).toMatch(/but got ERR_SSL_[A-Z_]+: /);
    expect(error.message).toContain('error: out of ink');
    const frames = error.stack?.split('\n').filter((line) => line.includes(' at '));
    expect(frames?.[0]).toContain('test-client-tls.test.ts');
  });
});

describe('a failure behind the handshake', () => {
  it('ends what waits, and is told from an end and a reset', async () => {
    const server = createPlainServer((socket) => {
      const peer = new TlsSocket(socket, { isServer: true, ...ca.server });
      peer.on('error', () => {});
      peer.on('data', () => socket.write('not encrypted'));
    });
    const client = await connect(await listening(server), { timeout: 60_000 });
    await client.send('x');
    const error = await failureOf(client.line());
    expect(error.message).toMatch(/expected a line of text, but got ERR_SSL_/);
    expect(await client.closed()).toBe('tlsError');
    expect(client.error?.code).toMatch(/^ERR_SSL_/);
  });

  it.skipIf(!hasOpenssl)(`may be an alert of a server that wants a certificate${withOpenssl}`, async () => {
    await using files = await ca.files();
    const server = spawn('openssl', [
      ...['s_server', '-accept', '0', '-Verify', '1', '-verify_return_error', '-CAfile', files.ca],
      ...['-cert', files.server.cert, '-key', files.server.key],
    ]);
    opened.push(() => server.kill());
    let said = '';
    for await (const chunk of server.stdout) {
      said += chunk;
      if (/^ACCEPT .*:\d+$/m.test(said)) break;
    }
    const port = Number(/^ACCEPT .*:(\d+)$/m.exec(said)?.[1]);
    // With TLS 1.3 the client is done before the server looks at its certificate.
    const client = await connect(port);
    const error = await failureOf(client.recv());
    expect(error.message).toContain('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: tlsv13 alert certificate required');
    expect(await client.closed()).toBe('tlsError');
  });
});

describe('startTls', () => {
  async function startTlsServer(greeted: () => void = () => {}): Promise<number> {
    const server = createPlainServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {}).write('220 plain\r\n');
      socket.once('data', () => {
        socket.write('220 go ahead\r\n');
        const peer = new TlsSocket(socket, { isServer: true, ...ca.server });
        peer.on('error', () => {});
        peer.once('secure', () => setImmediate(() => peer.write('250 secret\r\n', greeted)));
        peer.on('data', (chunk) => peer.end(chunk));
      });
    });
    return listening(server);
  }

  it('encrypts an open connection and loses nothing', async () => {
    const client = await connect(await startTlsServer(), { secure: false });
    expect(client.secure).toBe(false);
    await client.send('STARTTLS\r\n');
    await client.receive(/ahead/);
    await client.startTls({ ca: ca.ca.cert });
    expect(client.authorized).toBe(true);
    expect(await client.line()).toBe('');
    expect(await client.line()).toBe('250 secret');
    await client.send('bye');
    await client.receive('bye');
    expect(await client.closed()).toBe('end');
    expect(client.received.toString()).toBe('220 plain\r\n220 go ahead\r\n250 secret\r\nbye');
    const kinds = client.transcript.entries.map(({ direction, kind }) => `${direction} ${kind}`);
    expect(kinds.filter((kind) => kind.endsWith('handshake'))).toEqual(['sent handshake', 'received handshake']);
  });

  it('takes any certificate unless it is told whom to trust', async () => {
    const client = await connect(await startTlsServer(), { secure: false });
    await client.send('STARTTLS\r\n');
    await client.receive(/ahead\r\n/);
    await client.startTls();
    expect(client.authorized).toBe(false);
    await expect(client.startTls()).rejects.toThrow('encrypted already');
  });

  it('leaves a client that does not read as it is', async () => {
    let greeted = () => {};
    const greeting = new Promise<void>((resolve) => {
      greeted = resolve;
    });
    const client = await connect(await startTlsServer(() => greeted()), { secure: false });
    await client.send('STARTTLS\r\n');
    await client.receive(/ahead\r\n/);
    client.pause();
    await client.startTls();
    await greeting;
    await client.expectNothing(20);
    client.resume();
    await client.receive('250 secret\r\n');
  });

  it('fails on a connection that is closed', async () => {
    const client = await connect(await startTlsServer(), { secure: false });
    client.destroy();
    await client.closed();
    expect((await failureOf(client.startTls())).message).toContain('but the client is closed');
  });
});

it('a Unix socket may be secure as well', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'reagent-'));
  opened.push(() => rm(directory, { recursive: true }));
  const path = join(directory, 'socket');
  const server = createServer(ca.server, (peer) => setImmediate(() => peer.end('hi')));
  await listening(server, { path });
  const client = await TestClient.connect({ path }, { secure: { ca: ca.ca.cert } });
  await client.receive('hi');
  expect(await client.closed()).toBe('end');
  client.destroy();
});

it('a client that does not read takes nothing, and loses nothing', async () => {
  const total = 32 * 1024 * 1024;
  const peers: TLSSocket[] = [];
  const port = await tlsServer({}, (peer) => void peers.push(peer));
  const client = await connect(port);
  client.pause();
  await expect.poll(() => peers.length).toBe(1);
  peers[0]?.write(Buffer.alloc(total, 'x'));
  await nextTurn();
  await nextTurn();
  expect(peers[0]?.writableLength).toBeGreaterThan(0);
  expect(client.received.length).toBeLessThan(total);
  client.resume();
  expect((await client.receive(total)).length).toBe(total);
});
