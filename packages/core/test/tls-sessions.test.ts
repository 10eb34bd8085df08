// Sessions that are resumed: with the process's own keys for tickets, and with keys that are shared.

import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SecureVersion } from 'node:tls';
import { type Connection, lines, OnData, Reagent, type TlsOptions } from '@reagent/core';
import { type CertificateFiles, certificates, createTestApp, type TestApp } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { needs, Program } from './support/program.js';

const pki = await certificates();
const versions: readonly SecureVersion[] = ['TLSv1.2', 'TLSv1.3'];

@Reagent({ port: 0, codec: lines() })
class Echo {
  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }
}

function listening(options: TlsOptions = {}): Promise<TestApp> {
  return createTestApp(Echo, { descriptors: { Echo: { secure: { ...pki.server, ...options } } } }).start();
}

/** Visits a server, and returns the session that it gives. */
async function begin(app: TestApp, maxVersion: SecureVersion): Promise<Buffer> {
  await using client = await app.connect(Echo, { secure: { maxVersion } });
  const session = await client.nextSession();
  // What is written in the turn in which the session came would stay in Node.js.
  await nextTurn();
  await client.send('hello\n');
  await client.receive('hello\n');
  return session;
}

/** Visits a server with a session, and returns whether it was resumed. */
async function isResumed(app: TestApp, maxVersion: SecureVersion, session: Buffer): Promise<boolean | undefined> {
  await using client = await app.connect(Echo, { secure: { maxVersion, session } });
  await client.send('hello\n');
  await client.receive('hello\n');
  return client.sessionReused;
}

describe.each(versions)('a session over %s', (version) => {
  it('is resumed, and counted', async () => {
    await using app = await listening();
    const session = await begin(app, version);
    expect([await isResumed(app, version, session), await isResumed(app, version, session)]).toEqual([true, true]);
    expect(app.listener(Echo).stats().tls).toMatchObject({ handshakes: 3, resumed: 2 });
  });

  it('of one application is good for another that has the same ticketKeys', async () => {
    const ticketKeys = randomBytes(48);
    await using one = await listening({ ticketKeys });
    await using other = await listening({ ticketKeys: new Uint8Array(ticketKeys) });
    expect(await isResumed(other, version, await begin(one, version))).toBe(true);
  });

  it('of one application is worth nothing to another with keys of its own', async () => {
    await using one = await listening();
    await using other = await listening();
    expect(await isResumed(other, version, await begin(one, version))).toBe(false);
  });

  it('that was begun without a certificate is worth nothing where one is required', async () => {
    const ticketKeys = randomBytes(48);
    await using open = await listening({ ticketKeys });
    await using closed = await listening({ ticketKeys, ca: pki.ca.cert, requestCert: true });
    await expect(isResumed(closed, version, await begin(open, version))).rejects.toThrow();
    expect(closed.listener(Echo).stats().tls).toMatchObject({ handshakes: 0, failed: { certificate: 1 } });
  });

  it('outlives a reload of the certificates where ticketKeys are given, and not otherwise', async () => {
    for (const options of [{}, { ticketKeys: randomBytes(48) }]) {
      await using app = await listening(options);
      const session = await begin(app, version);
      await app.listener(Echo).reloadCertificates();
      expect(await isResumed(app, version, session)).toBe('ticketKeys' in options);
    }
  });

  it('is not resumed when its time is over', async () => {
    await using app = await listening({ sessionTimeout: 1 });
    const session = await begin(app, version);
    // OpenSSL counts whole seconds: it is over in two at most.
    const end = Date.now() + 4_000;
    while ((await isResumed(app, version, session)) && Date.now() < end);
    expect(await isResumed(app, version, session)).toBe(false);
  });
});

describe(`openssl${needs('openssl')}`, () => {
  /** A client that says a line and takes the answer, as `s_client` does with these arguments. */
  async function say(app: TestApp, line: string, args: readonly string[]): Promise<string> {
    await using client = Program.start('openssl', [
      ...['s_client', '-connect', `127.0.0.1:${app.listener(Echo).port}`],
      ...args,
    ]);
    client.write(`${line}\n`);
    await client.printed(new RegExp(`^${line}$`, 'm'));
    client.end();
    expect(await client.exit()).toBe(0);
    return client.output;
  }

  const arguments_ = (version: SecureVersion, files: CertificateFiles) => [
    version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3',
    ...['-CAfile', files.ca, '-verify_return_error'],
  ];

  it.skipIf(needs('openssl')).each(versions)('resumes a session from a file, over %s', async (version) => {
    await using app = await listening();
    await using files = await pki.files();
    const session = `${files.directory}/session`;
    const args = arguments_(version, files);
    expect(await say(app, 'first', [...args, '-sess_out', session])).toMatch(/^New, TLSv1/m);
    expect(await say(app, 'second', [...args, '-sess_in', session])).toMatch(/^Reused, TLSv1/m);
    expect(app.listener(Echo).stats().tls).toMatchObject({ handshakes: 2, resumed: 1 });
  });

  it.skipIf(needs('openssl')).each(versions)('resumes a session with another process, over %s', async (version) => {
    const ticketKeys = randomBytes(48);
    await using one = await listening({ ticketKeys });
    await using other = await listening({ ticketKeys });
    await using files = await pki.files();
    const session = `${files.directory}/session`;
    const args = arguments_(version, files);
    await say(one, 'first', [...args, '-sess_out', session]);
    expect(await say(other, 'second', [...args, '-sess_in', session])).toMatch(/^Reused, TLSv1/m);
  });

  it.skipIf(needs('openssl'))('reconnects five times with one session', async () => {
    await using app = await listening();
    const { port } = app.listener(Echo);
    const { output } = await Program.run('openssl', [
      ...['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_2', '-reconnect'],
    ]);
    const handshakes = Array.from(output.matchAll(/^(New|Reused), TLSv1\.2/gm), ([, kind]) => kind);
    expect(handshakes).toEqual(['New', 'Reused', 'Reused', 'Reused', 'Reused', 'Reused']);
    expect(app.listener(Echo).stats().tls).toMatchObject({ handshakes: 6, resumed: 5 });
  });
});
