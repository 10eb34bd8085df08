// Certificates and keys when an application starts: all that is wrong is one error, and nothing is bound.

import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Application,
  type BootstrapOptions,
  bootstrap,
  ConfigurationError,
  type Connection,
  type DescriptorInput,
  lines,
  Module,
  OnData,
  Reagent,
  StateError,
  start,
  type TlsOptions,
} from '@reagent/core';
import { certificates, TestClient } from '@reagent/testing';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from './support/captured-log.js';

const pki = await certificates();
const files = await pki.files();
const directory = await mkdtemp(join(tmpdir(), 'reagent-'));
afterAll(async () => {
  await files[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

let log: CapturedLog;
/** What was made of providers. */
const made: string[] = [];

beforeEach(() => {
  log = new CapturedLog();
  made.length = 0;
});

@Reagent({ port: 0, host: '127.0.0.1', codec: lines() })
class Echo {
  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }
}

/** A second one, of which nothing is wrong. */
@Reagent({ path: join(directory, 'healthy.sock') })
class Healthy {
  @OnData()
  data() {}
}

@Module({
  providers: [{ token: 'database', useFactory: () => made.push('database') }],
  reagents: [Healthy, Echo],
})
class AppModule {}

function starting(echo: DescriptorInput, secure?: TlsOptions): Promise<Application> {
  const options: BootstrapOptions = { logger: log, signals: false, overrides: { Echo: echo } };
  return bootstrap(AppModule, secure === undefined ? options : { ...options, secure });
}

/** What is wrong with an application, of which nothing is to be started then. */
async function problems(echo: DescriptorInput, secure?: TlsOptions): Promise<string[]> {
  const error: unknown = await starting(echo, secure).then(
    async (app) => app.stop(),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConfigurationError);
  expect(made).toEqual([]);
  expect(existsSync(join(directory, 'healthy.sock'))).toBe(false);
  expect(log.lines).toEqual([]);
  return (error as ConfigurationError).problems.map(({ where, path, message }) => `${where}, ${path}: ${message}`);
}

async function shownBy(app: Application): Promise<string | undefined> {
  await using client = await TestClient.connect({ port: app.listener(Echo).port }, { secure: { ca: pki.ca.cert } });
  await client.send('hello\n');
  await client.receive('hello\n');
  return client.peerCertificate?.subject;
}

describe('the TLS options of an application', () => {
  it('are those of each listener with secure: true', async () => {
    await using app = await starting({ secure: true }, pki.server);
    expect(await shownBy(app)).toBe('CN=localhost');
    expect(app.listener(Healthy).secure).toBe(false);
  });

  it('are not those of a listener that has its own', async () => {
    const own = await pki.for(['127.0.0.1'], { commonName: 'own' });
    await using app = await starting({ secure: own }, pki.server);
    expect(await shownBy(app)).toBe('CN=own');
  });

  it('serve several listeners', async () => {
    await using app = await starting({ secure: true }, pki.server);
    const other = await app.start(Echo, { name: 'Other', secure: true });
    expect(other.cert).toBe(app.listener(Echo).cert);
    await using client = await TestClient.connect({ port: other.port }, { secure: { ca: pki.ca.cert } });
    expect(client.authorized).toBe(true);
  });

  it('are what secure: true needs, and it says so', async () => {
    expect(await problems({ secure: true })).toEqual([
      expect.stringMatching(/^Echo, secure: true stands for .* bootstrap\(AppModule, \{ secure \}\)/),
    ]);
  });

  it('are checked as those of a listener are, once for all listeners', async () => {
    const secure = { cert: files.server.cert, key: join(directory, 'none.pem') };
    expect(await problems({ secure: true }, secure)).toEqual([
      expect.stringMatching(/^bootstrap\(\), secure\.key: there is no file .*none\.pem/),
    ]);
  });

  it('may be given to start()', async () => {
    await using app = await start(Echo, { secure: true }, { secure: pki.server, logger: log, signals: false });
    expect(await shownBy(app)).toBe('CN=localhost');
  });
});

describe('a certificate or key', async () => {
  const isRoot = process.getuid?.() === 0;
  const written = async (name: string, text: string | Uint8Array) => {
    const path = join(directory, name);
    await writeFile(path, text);
    return path;
  };
  const encrypted = await pki.for('localhost', { passphrase: 'secret' });
  const { cert, key } = files.server;
  const paths = {
    torn: await written('torn.pem', pki.server.cert.slice(0, 200)),
    empty: await written('empty.pem', ''),
    encrypted: await written('encrypted.pem', encrypted.key),
    damaged: await written('damaged.pem', pki.server.key.replace('MIG', 'AAA')),
    encryptedCert: await written('encrypted.cert.pem', encrypted.cert),
    archive: await written('server.p12', 'no archive'),
  };

  it.each<[string, TlsOptions, string, RegExp]>([
    ['that is not there', { cert: join(directory, 'none'), key }, 'cert', /there is no file .*none/],
    ['that is a directory', { cert, key: directory }, 'key', /is a directory/],
    ['that is cut off', { cert: paths.torn, key }, 'cert', /torn\.pem holds no certificate: it is cut off/],
    ['that is empty', { cert, key: paths.empty }, 'key', /empty\.pem holds no private key: it is empty/],
    ['that is damaged', { cert, key: paths.damaged }, 'key', /damaged\.pem is damaged/],
    ['in place of the other', { cert: key, key: cert }, 'cert', /swapped/],
    ['of another pair', { cert, key: files.client.key }, 'key', /client\.key\.pem is not that of .*server\.pem/],
    ['that is encrypted', { cert: paths.encryptedCert, key: paths.encrypted }, 'passphrase', /encrypted\.pem is encry/],
    ['that another passphrase decrypts', { ...encrypted, passphrase: 'no' }, 'passphrase', /does not decrypt/],
    ['in an archive that is none', { pfx: paths.archive }, 'pfx', /server\.p12 is no PKCS#12 archive/],
    ['of clients that is not there', { cert, key, ca: join(directory, 'none') }, 'ca', /there is no file .*none/],
  ])('%s is an error that names class, path and file', async (_what, secure, field, message) => {
    const found = await problems({ secure });
    expect(found[0]).toMatch(new RegExp(`^Echo, secure\\.${field}: `));
    expect(found[0]).toMatch(message);
    // A key is told to nobody.
    expect(found.join()).not.toContain(pki.server.key.slice(40, 80));
  });

  it.skipIf(isRoot)(
    `that may not be read is an error that says so${isRoot ? ' (skipped: root may read all)' : ''}`,
    async () => {
      const path = await written('locked.pem', pki.server.key);
      await chmod(path, 0);
      expect(await problems({ secure: { cert, key: path } })).toEqual([expect.stringMatching(/may not be read/)]);
    },
  );

  it('that is wrong is told together with all else that is wrong', async () => {
    const secure = { cert: paths.torn, key: paths.empty, sni: { 'a.test': { cert, key: files.client.key } } };
    const found = await problems({ secure }, { cert: pki.server.cert, key: join(directory, 'none') });
    expect(found.map((problem) => problem.split(':', 1)[0])).toEqual([
      'bootstrap(), secure.key',
      'Echo, secure.cert',
      'Echo, secure.key',
      expect.stringMatching(/^Echo, secure\.sni.*a\.test.*key$/),
    ]);
  });
});

describe('what works, but deserves a look, is a warning:', async () => {
  it.each([
    ['a certificate that has expired', pki.expired, /has expired on/],
    ['a certificate that is not valid yet', pki.notYetValid, /is valid only from/],
    [
      'a certificate that expires soon',
      await pki.for('localhost', { notBefore: new Date(2024, 0), days: 13 }),
      /expires soon/,
    ],
  ])('%s', async (_what, secure, warning) => {
    await using app = await starting({ secure });
    expect(log.lines.filter((line) => line.startsWith('warn'))).toEqual([expect.stringMatching(warning)]);
    expect(log.lines[0]).toContain('secure.cert: the certificate for CN=localhost');
    // Whether it is served is the client's to decide.
    await using client = await TestClient.connect({ port: app.listener(Echo).port }, { secure: true });
    await client.send('hello\n');
    await client.receive('hello\n');
  });

  it('a certificate for another host than that of its sni', async () => {
    const sni = { 'right.test': pki.wrongHost };
    await using _app = await starting({ secure: { ...pki.server, sni } });
    expect(log.lines.filter((line) => line.startsWith('warn'))).toEqual([
      expect.stringMatching(/is not for right\.test/),
    ]);
  });
});

it('startTls() of an application without options says what to do', async () => {
  @Reagent({ port: 0, host: '127.0.0.1' })
  class Upgrading {
    error: unknown;

    @OnData()
    async upgrade(conn: Connection) {
      this.error = await conn.startTls().catch((error: unknown) => error);
      conn.close();
    }
  }
  await using app = await start(Upgrading, {}, { logger: log, signals: false });
  await using client = await TestClient.connect({ port: app.listener(Upgrading).port });
  await client.send('STARTTLS\n');
  expect(await client.closed()).toBe('end');
  expect(app.resolve(Upgrading).error).toBeInstanceOf(StateError);
  expect(String(app.resolve(Upgrading).error)).toMatch(/bootstrap\(AppModule, \{ secure \}\)/);
});
