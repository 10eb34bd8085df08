// Clients that show a certificate, or none: who is let in, and what the reagent learns of them.

import type { SecureVersion } from 'node:tls';
import { type Connection, lines, OnClose, OnConnection, OnData, Reagent, type TlsOptions } from '@reagent/core';
import { type CertificateAndKey, certificates, createTestApp, type TestApp } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { counted } from './support/counted.js';
import { Mailbox } from './support/mailbox.js';

const pki = await certificates();
const versions: readonly SecureVersion[] = ['TLSv1.2', 'TLSv1.3'];

const expired = await pki.for([], {
  commonName: 'late',
  usage: 'client',
  notAfter: new Date(Date.now() - 60_000),
});
const clients = {
  none: undefined,
  trusted: pki.client,
  untrusted: pki.other.client,
  expired,
  'made for servers': pki.server,
} satisfies Record<string, CertificateAndKey | undefined>;

type Kind = keyof typeof clients;

/** Tells each client what it thinks of it. */
@Reagent({ port: 0, codec: lines() })
class Gatekeeper {
  /** What is known when the connection has closed. */
  readonly last = new Mailbox<unknown>();

  @OnConnection()
  hello(conn: Connection<string>) {
    const certificate = conn.peerCertificate();
    conn.send(
      JSON.stringify({
        name: certificate?.subject.CN ?? null,
        authorized: certificate?.authorized ?? null,
        error: certificate?.authorizationError ?? null,
      }),
    );
  }

  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }

  @OnClose()
  bye(conn: Connection<string>) {
    this.last.put(conn.peerCertificate()?.subject.CN);
  }
}

function listening(options: TlsOptions): Promise<TestApp> {
  const secure = { ...pki.server, ca: pki.ca.cert, requestCert: true, ...options };
  return createTestApp(Gatekeeper, { descriptors: { Gatekeeper: { secure } } }).start();
}

async function opinion(app: TestApp, kind: Kind, maxVersion: SecureVersion): Promise<unknown> {
  await using client = await app.connect(Gatekeeper, { secure: { maxVersion, ...clients[kind] } });
  return JSON.parse(await client.line());
}

describe.each(versions)('over %s', (version) => {
  describe('certificates that are required', () => {
    it('let in who shows one that is trusted', async () => {
      await using app = await listening({});
      expect(await opinion(app, 'trusted', version)).toEqual({ name: 'client', authorized: true, error: null });
    });

    it.each([
      ['none', /PEER_DID_NOT_RETURN_A_CERTIFICATE/],
      ['untrusted', /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT/],
      ['expired', /CERT_HAS_EXPIRED/],
      ['made for servers', /INVALID_PURPOSE/],
    ] as const)('keep out who has %s, and the log says why', async (kind, reason) => {
      await using app = await listening({});
      await expect(opinion(app, kind, version)).rejects.toThrow();
      const listener = app.listener(Gatekeeper);
      await listener.waitForConnections((open) => open === 0, { timeout: 4_000 });
      const { tls, connections } = listener.stats();
      expect(counted(tls.failed)).toEqual({ certificate: 1 });
      expect(counted(connections.rejected)).toEqual({ handshake: 1 });
      expect(tls.handshakes).toBe(0);
      const lines = app.logs.filter(({ message }) => message === 'TLS handshake failed');
      expect(lines.map(({ level }) => level)).toEqual(['info']);
      expect(lines[0]?.fields.error).toMatch(reason);
      // Nobody else notices.
      expect(await opinion(app, 'trusted', version)).toMatchObject({ name: 'client' });
    });
  });

  describe('certificates that are optional', () => {
    it.each([
      ['none', { name: null, authorized: null, error: null }],
      ['trusted', { name: 'client', authorized: true, error: null }],
      ['untrusted', { name: 'client', authorized: false, error: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }],
      ['expired', { name: 'late', authorized: false, error: 'CERT_HAS_EXPIRED' }],
      ['made for servers', { name: 'localhost', authorized: false, error: 'INVALID_PURPOSE' }],
    ] as const)('of which a client has %s are told by peerCertificate()', async (kind, expected) => {
      await using app = await listening({ rejectUnauthorized: false });
      expect(await opinion(app, kind, version)).toEqual(expected);
      expect(counted(app.listener(Gatekeeper).stats().tls.failed)).toEqual({});
    });
  });

  it('who is not asked for a certificate shows none', async () => {
    await using app = await listening({ requestCert: false, ca: undefined });
    expect(await opinion(app, 'trusted', version)).toEqual({ name: null, authorized: null, error: null });
  });

  it('a session begun with a certificate goes on with it', async () => {
    await using app = await listening({});
    const secure = { maxVersion: version, ...pki.client };
    const first = await app.connect(Gatekeeper, { secure });
    await first.line();
    const session = await first.nextSession();
    await first.end();
    await using second = await app.connect(Gatekeeper, { secure: { ...secure, session } });
    expect(second.sessionReused).toBe(true);
    expect(JSON.parse(await second.line())).toEqual({ name: 'client', authorized: true, error: null });
  });
});

it('a certificate that was looked at is known until @OnClose', async () => {
  await using app = await listening({});
  const client = await app.connect(Gatekeeper, { secure: pki.client });
  await client.line();
  client.destroy();
  expect(await app.resolve(Gatekeeper).last.take()).toBe('client');
});

it('whether it has a certificate is what a reagent decides by', async () => {
  @Reagent({
    port: 0,
    codec: lines(),
    secure: { ...pki.server, ca: pki.ca.cert, requestCert: true, rejectUnauthorized: false },
  })
  class Members {
    @OnConnection()
    greet(conn: Connection<string>) {
      if (conn.peerCertificate()?.authorized === true) conn.send('welcome');
      else conn.close();
    }

    @OnData()
    data() {}
  }
  await using app = await createTestApp(Members).start();
  const member = await app.connect(Members, { secure: pki.client });
  expect(await member.line()).toBe('welcome');
  const guest = await app.connect(Members, { secure: pki.other.client });
  expect(await guest.closed()).toBe('end');
  expect(guest.received).toHaveLength(0);
});

it('without ca the log warns that any public authority may vouch for clients', async () => {
  await using app = await listening({ ca: undefined });
  const warnings = app.logs.filter(({ level }) => level === 'warn').map(({ message }) => message);
  expect(warnings).toEqual([expect.stringMatching(/^secure\.ca: .*public authority/)]);
});
