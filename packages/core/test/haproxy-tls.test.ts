// TLS and HAProxy: it ends there, or it is passed on and ends here, or both.

import { type Certificates, certificates, TestClient, type TestClientTls } from '@reagent/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { Behind, behind, greeting, nothingIsLeft, rejected } from './support/behind.js';
import { Haproxy, noHaproxy, relay } from './support/haproxy.js';
import { TemporaryDirectory } from './support/temporary-directory.js';

let known: Certificates;
/** What HAProxy shows its clients, and what it asks of theirs. */
let files: Record<string, string>;

beforeAll(async () => {
  known = await certificates();
  const { cert, key } = known.server;
  files = { 'server.pem': cert + key, 'ca.pem': known.ca.cert };
});

/** The lines of `bind` for a client's certificate that may be missing. */
const askForCertificate = 'ssl crt server.pem ca-file ca.pem verify optional';

describe.skipIf(noHaproxy !== '')(`where TLS ends at HAProxy${noHaproxy}`, () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('the connection knows the client’s certificate, %s', async (maxVersion) => {
    await using app = await behind().start();
    const server = `127.0.0.1:${app.listener(Behind).port} send-proxy-v2-ssl-cn`;
    await using haproxy = await Haproxy.start(relay({ server, bind: askForCertificate }), { files });
    const secure = { ...known.client, ca: known.ca.cert, maxVersion };
    await using client = await TestClient.connect({ port: haproxy.port }, { secure });
    await client.line();
    const conn = await app.resolve(Behind).opened.take();
    expect(conn.remote).toEqual({ address: '127.0.0.1', port: client.localPort, family: 'IPv4' });
    // What is encrypted is the way to HAProxy, not the one from there.
    expect(conn.secure).toBe(false);
    expect(conn.proxy?.ssl).toMatchObject({
      clientTls: true,
      certificateConnection: true,
      certificateSession: true,
      verified: true,
      commonName: 'client',
      version: maxVersion,
    });
  });

  it('a client without a certificate is not verified', async () => {
    await using app = await behind().start();
    const server = `127.0.0.1:${app.listener(Behind).port} send-proxy-v2-ssl-cn`;
    await using haproxy = await Haproxy.start(relay({ server, bind: askForCertificate }), { files });
    await using client = await TestClient.connect({ port: haproxy.port }, { secure: { ca: known.ca.cert } });
    await client.line();
    const { proxy } = await app.resolve(Behind).opened.take();
    expect(proxy?.ssl).toMatchObject({
      clientTls: true,
      certificateConnection: false,
      certificateSession: false,
      verified: false,
      commonName: undefined,
    });
  });

  it('a certificate that HAProxy lets pass without believing it is not verified', async () => {
    await using app = await behind().start();
    const server = `127.0.0.1:${app.listener(Behind).port} send-proxy-v2-ssl-cn`;
    const bind = `${askForCertificate} ca-ignore-err all crt-ignore-err all`;
    await using haproxy = await Haproxy.start(relay({ server, bind }), { files });
    await using client = await TestClient.connect({ port: haproxy.port }, { secure: known.other.client });
    await client.line();
    const { proxy } = await app.resolve(Behind).opened.take();
    expect(proxy?.ssl).toMatchObject({ certificateConnection: true, verified: false, commonName: 'client' });
  });

  it('a session that is resumed still has the certificate that it began with', async () => {
    await using app = await behind().start();
    const server = `127.0.0.1:${app.listener(Behind).port} send-proxy-v2-ssl-cn`;
    await using haproxy = await Haproxy.start(relay({ server, bind: askForCertificate }), { files });
    const secure: TestClientTls = { ...known.client, ca: known.ca.cert, maxVersion: 'TLSv1.2' };
    await using first = await TestClient.connect({ port: haproxy.port }, { secure });
    await first.line();
    const session = await first.nextSession();
    await using second = await TestClient.connect({ port: haproxy.port }, { secure: { ...secure, session } });
    await second.line();
    expect(second.sessionReused).toBe(true);
    const [, resumed] = await app.resolve(Behind).opened.takeMany(2);
    expect(resumed?.proxy?.ssl).toMatchObject({
      certificateConnection: false,
      certificateSession: true,
      verified: true,
      commonName: 'client',
    });
  });

  it('all that HAProxy can tell of it arrives', async () => {
    await using app = await behind().start();
    const options = 'crc32c,unique-id,authority,ssl,cert-cn,cert-key,cert-sig,ssl-cipher';
    const server = `127.0.0.1:${app.listener(Behind).port} send-proxy-v2 proxy-v2-options ${options}`;
    const bind = `${askForCertificate} alpn chat,other`;
    const frontend = ['unique-id-format tls-%cp'];
    await using haproxy = await Haproxy.start(relay({ server, bind, frontend }), { files });
    const secure = {
      ...known.client,
      ca: known.ca.cert,
      servername: 'localhost',
      alpn: ['chat'],
      ciphers: 'TLS_AES_256_GCM_SHA384',
    };
    await using client = await TestClient.connect({ port: haproxy.port }, { secure });
    await client.line();
    const { proxy } = await app.resolve(Behind).opened.take();
    expect(proxy).toMatchObject({ alpn: 'chat', authority: 'localhost' });
    expect(proxy?.uniqueId?.toString()).toBe(`tls-${client.localPort}`);
    expect(proxy?.ssl).toMatchObject({
      version: 'TLSv1.3',
      commonName: 'client',
      cipher: 'TLS_AES_256_GCM_SHA384',
      keyAlgorithm: 'EC256',
      signatureAlgorithm: 'ecdsa-with-SHA256',
    });
  });
});

describe.skipIf(noHaproxy !== '')(`where HAProxy passes TLS on${noHaproxy}`, () => {
  it.each([
    ['send-proxy', 'TLSv1.3'],
    ['send-proxy-v2', 'TLSv1.3'],
    ['send-proxy-v2 proxy-v2-options crc32c', 'TLSv1.2'],
  ] as const)('the handshake is ours, and the address the client’s: %s, %s', async (sending, maxVersion) => {
    const { server, ca } = known;
    await using app = await behind({ secure: { ...server, ca: ca.cert, requestCert: true, alpn: ['chat'] } }).start();
    await using haproxy = await Haproxy.start(relay({ server: `127.0.0.1:${app.listener(Behind).port} ${sending}` }));
    const secure = { ...known.client, ca: ca.cert, servername: 'localhost', alpn: ['chat'], maxVersion };
    await using client = await TestClient.connect({ port: haproxy.port }, { secure, localAddress: '127.0.0.2' });
    const remote = { address: '127.0.0.2', port: client.localPort ?? 0 };
    expect(await client.line()).toBe(greeting(remote, { address: '127.0.0.1', port: haproxy.port }));
    const conn = await app.resolve(Behind).opened.take();
    expect(conn).toMatchObject({ secure: true, serverName: 'localhost', alpnProtocol: 'chat' });
    expect(conn.peerCertificate()).toMatchObject({ subject: { CN: 'client' }, authorized: true });
    expect(conn.proxy?.ssl).toBeUndefined();
    await client.send('one\n');
    expect(await client.line()).toBe('one');
    expect(app.listener(Behind).stats().tls.handshakes).toBe(1);
  });

  it('a handshake that fails is told with the client’s address', async () => {
    await using app = await behind({ secure: known.server }).start();
    await using haproxy = await Haproxy.start(
      relay({ server: `127.0.0.1:${app.listener(Behind).port} send-proxy-v2` }),
    );
    await using client = await TestClient.connect({ port: haproxy.port }, { localAddress: '127.0.0.2' });
    await client.send('this is no TLS\r\n');
    await client.closed();
    await nothingIsLeft(app);
    expect(rejected(app)).toEqual({ handshake: 1 });
    expect(app.logs.filter(({ fields }) => String(fields.remote).startsWith('127.0.0.2:'))).toHaveLength(1);
  });

  it('health checks of the listener are HAProxy’s own TLS connections', async () => {
    await using app = await behind({ secure: known.server, maxConnectionsPerIp: 1 }).start();
    const check = 'send-proxy-v2 check check-ssl verify none inter 20ms';
    await using _ = await Haproxy.start(
      relay({
        server: `127.0.0.1:${app.listener(Behind).port} ${check}`,
        backend: ['option tcp-check', 'tcp-check expect rstring :'],
      }),
    );
    for (const conn of await app.resolve(Behind).opened.takeMany(3)) {
      expect(conn.proxy?.command).toBe('local');
      expect(conn.remote.address).toBe('127.0.0.1');
    }
    expect(rejected(app)).not.toHaveProperty('maxConnectionsPerIp');
  });
});

it.skipIf(noHaproxy !== '')(
  `where HAProxy encrypts anew, header and handshake are both there${noHaproxy}`,
  async () => {
    await using directory = await TemporaryDirectory.make();
    const path = directory.at('behind.sock');
    const listening = [
      [{ secure: known.server }, (port: number) => `127.0.0.1:${port}`],
      [{ secure: known.server, path }, () => `unix@${path}`],
    ] as const;
    for (const [descriptor, address] of listening) {
      await using app = await behind(descriptor).start();
      const to = `${address(app.listener(Behind).port)} ssl ca-file ca.pem verifyhost localhost sni str(localhost)`;
      await using haproxy = await Haproxy.start(
        relay({ server: `${to} send-proxy-v2-ssl-cn`, bind: askForCertificate }),
        { files },
      );
      const secure = { ...known.client, ca: known.ca.cert };
      await using client = await TestClient.connect({ port: haproxy.port }, { secure });
      await client.line();
      const conn = await app.resolve(Behind).opened.take();
      expect(conn).toMatchObject({ secure: true, serverName: 'localhost' });
      expect(conn.remote.port).toBe(client.localPort);
      expect(conn.proxy?.ssl).toMatchObject({ verified: true, commonName: 'client' });
    }
  },
);
