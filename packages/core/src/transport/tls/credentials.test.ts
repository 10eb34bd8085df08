import { execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import {
  type ConnectionOptions,
  connect,
  createServer,
  type SecureVersion,
  type TlsOptions as ServerOptions,
  type TLSSocket,
} from 'node:tls';
import { isMainThread } from 'node:worker_threads';
import { type Certificates, certificates } from '@reagent/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Credentials, loadCredentials } from './credentials.js';
import type { TlsOptions } from './tls-options.js';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const withOpenssl = hasOpenssl ? '' : ' (skipped: no openssl here)';
/** Of a thread other than the main one, the user cannot be changed. */
const canChangeUser = process.getuid?.() !== 0 || isMainThread;
const NOBODY = 65_534;
const secret = 'correct horse battery staple';

let ca: Certificates;
let directory: string;

beforeAll(async () => {
  ca = await certificates();
  directory = await mkdtemp(join(tmpdir(), 'reagent-'));
});

afterAll(() => rm(directory, { recursive: true }));

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function loaded(options: TlsOptions): Credentials {
  const result = loadCredentials(options);
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.credentials;
}

/** What is wrong with options, of which nothing secret may show. */
function refused(options: TlsOptions): [path: string, message: string][] {
  const result = loadCredentials(options);
  if ('credentials' in result) throw new Error('was accepted');
  expect(JSON.stringify(result.problems)).not.toMatch(/BEGIN PRIV|MII|MIG|horse/);
  return result.problems.map(({ path, message }) => [path, message]);
}

function warnings(options: TlsOptions): [path: string, message: string][] {
  return loaded(options).warnings.map(({ path, message }) => [path, message]);
}

/** Runs openssl in the directory. */
function openssl(command: string): void {
  execFileSync('openssl', command.split(' '), { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
}

interface Handshake {
  readonly client: TLSSocket;
  readonly server: TLSSocket;
}

/** A server with credentials, as a listener makes one. */
async function serve(
  options: TlsOptions,
): Promise<{ port: number; handshake(client?: ConnectionOptions): Promise<Handshake> }> {
  const { context, serverNames } = loaded(options);
  const extra: ServerOptions = {
    requestCert: options.requestCert === true,
    rejectUnauthorized: options.rejectUnauthorized !== false,
    SNICallback: (name, done) => done(null, serverNames.get(name)?.context),
  };
  const server = createServer({ ...context, ...extra });
  server.on('tlsClientError', () => {}); // The client tells.
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  closing.push(() => server.close());
  return {
    port,
    handshake: async (clientOptions = {}) => {
      const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
      const client = connect({
        port,
        host: '127.0.0.1',
        ca: ca.ca.cert,
        checkServerIdentity: () => undefined,
        ...clientOptions,
      });
      closing.push(() => client.destroy());
      await once(client, 'secureConnect');
      const [socket] = await accepted;
      socket.on('error', () => {}); // The client tells.
      closing.push(() => socket.destroy());
      return { client, server: socket };
    },
  };
}

describe('credentials', () => {
  it('are read from PEM text, bytes and files, whichever path leads to them', async () => {
    const cert = file('server.pem', ca.server.cert);
    const key = file('server.key.pem', ca.server.key);
    for (const options of [
      { cert: ca.server.cert, key: ca.server.key },
      { cert: Buffer.from(ca.server.cert), key: new Uint8Array(Buffer.from(ca.server.key)) },
      { cert, key },
      { cert: relative(process.cwd(), cert), key: relative(process.cwd(), key) },
    ]) {
      const { client } = await (await serve(options)).handshake();
      expect(client.getPeerX509Certificate()?.toString()).toBe(new X509Certificate(ca.server.cert).toString());
      expect(loaded(options).certificate?.toString()).toBe(new X509Certificate(ca.server.cert).toString());
    }
  });

  it('tell which files were read, each once', () => {
    const both = file('both.pem', `${ca.server.key}${ca.server.cert}`);
    const other = file('ca.pem', ca.ca.cert);
    const named = { cert: relative(process.cwd(), both), key: both };
    const { files } = loaded({ ...named, ca: [other], sni: { localhost: named, 'a.test': ca.server } });
    expect([...files.keys()].sort()).toEqual([both, other].sort());
    expect(loaded(ca.server).files.size).toBe(0);
  });

  it('may have comments, a byte order mark and carriage returns around them', async () => {
    const text = `\ufeffsubject=CN = localhost\r\n${ca.server.cert.replaceAll('\n', '\r\n')}`;
    const { client } = await (await serve({ cert: file('bom.pem', text), key: ca.server.key })).handshake();
    expect(client.authorized).toBe(true);
  });

  it('keep no more of a file than is needed', () => {
    const both = `${ca.server.key}${ca.server.cert}`;
    const { context } = loaded({ cert: both, key: both });
    expect(context.cert).not.toContain('PRIVATE KEY');
    expect(context.key).not.toContain('CERTIFICATE');
  });

  it('decrypt the key', async () => {
    const { cert, key } = await ca.for('localhost', { passphrase: secret });
    expect((await (await serve({ cert, key, passphrase: secret })).handshake()).client.authorized).toBe(true);
  });

  it('send the chain, also what ca completes it with', async () => {
    for (const options of [
      { ...ca.server, cert: ca.server.cert + ca.ca.cert },
      { ...ca.server, ca: ca.ca.cert },
    ]) {
      const { client } = await (await serve(options)).handshake();
      expect(client.getPeerCertificate(true).issuerCertificate.subject.CN).toBe('the CA of a test');
    }
  });

  it('are those of the name that a client asks for, or else the default', async () => {
    const sni = { 'a.test': await ca.for('a.test'), '*.B.test': await ca.for('*.b.test') };
    const { handshake } = await serve({ ...ca.server, sni });
    const shown = async (servername?: string) => {
      const { client } = await handshake(servername === undefined ? {} : { servername });
      return client.getPeerCertificate().subject.CN;
    };
    expect(await shown('a.test')).toBe('a.test');
    expect(await shown('A.TEST')).toBe('a.test');
    expect(await shown('x.b.test')).toBe('*.b.test');
    expect(await shown('b.test')).toBe('localhost');
    expect(await shown()).toBe('localhost');
  });

  it('without a default refuse who asks for no name or an unknown one', async () => {
    const options = { sni: { 'a.test': await ca.for('a.test') } };
    expect(loaded(options).certificate).toBeUndefined();
    const { handshake } = await serve(options);
    expect((await handshake({ servername: 'a.test' })).client.authorized).toBe(true);
    await expect(handshake({ servername: 'b.test' })).rejects.toMatchObject({ code: expect.stringMatching(/ALERT/) });
    await expect(handshake()).rejects.toMatchObject({ code: expect.stringMatching(/ALERT/) });
  });

  it('ask clients for a certificate of the same authorities whatever the name', async () => {
    const sni = { 'a.test': await ca.for('a.test') };
    const { handshake } = await serve({ ...ca.server, sni, ca: [ca.ca.cert, ca.other.ca.cert], requestCert: true });
    for (const client of [ca.client, ca.other.client]) {
      const { server } = await handshake({ ...client, servername: 'a.test' });
      expect(server.authorized).toBe(true);
    }
    const { client } = await handshake({ servername: 'a.test', maxVersion: 'TLSv1.2' }).catch((error) => ({
      client: error,
    }));
    expect(client.code).toMatch(/ALERT/);
  });
});

describe('the defaults are safe', () => {
  it('nothing older than TLS 1.2 is spoken', async () => {
    const { handshake } = await serve(ca.server);
    expect((await handshake({ maxVersion: 'TLSv1.2' })).client.getProtocol()).toBe('TLSv1.2');
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
    await expect(handshake(old)).rejects.toMatchObject({ code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
  });

  it('the client cannot renegotiate', async () => {
    const { client } = await (await serve(ca.server)).handshake({ maxVersion: 'TLSv1.2' });
    const refusal = new Promise<Error | null>((resolve) => {
      client.on('error', resolve);
      client.renegotiate({}, resolve);
    });
    expect(await refusal).toMatchObject({ code: expect.stringMatching(/NO_RENEGOTIATION/) });
  });

  it('of the ciphers that both know, the first of the server is taken', async () => {
    const [first, second] = ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES128-GCM-SHA256'];
    const { handshake } = await serve({ ...ca.server, ciphers: `${first}:${second}` });
    const { client } = await handshake({ maxVersion: 'TLSv1.2', ciphers: `${second}:${first}` });
    expect(client.getCipher().name).toBe(first);
    // It is what tls.createServer would do by itself, but not tls.createSecureContext.
    expect(loaded(ca.server).context.honorCipherOrder).toBe(true);
  });
});

describe('versions', () => {
  it.each<[SecureVersion, SecureVersion]>([
    ['TLSv1.2', 'TLSv1.2'],
    ['TLSv1.3', 'TLSv1.3'],
  ])('from %s to %s', async (minVersion, maxVersion) => {
    const { client } = await (await serve({ ...ca.server, minVersion, maxVersion })).handshake();
    expect(client.getProtocol()).toBe(minVersion);
  });

  it('before TLS 1.2 are spoken at the lowest level of security only, and said to be', async () => {
    const ciphers = 'DEFAULT:@SECLEVEL=0';
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers } as const;
    const { handshake } = await serve({ ...ca.server, minVersion: 'TLSv1', ciphers });
    expect((await handshake(old)).client.getProtocol()).toBe('TLSv1.1');
    expect(warnings({ ...ca.server, ...old })).toEqual([]);
    const message = expect.stringMatching(/^OpenSSL speaks nothing older than TLSv1\.2 unless .*@SECLEVEL=0/);
    expect(warnings({ ...ca.server, minVersion: 'TLSv1.1' })).toEqual([['secure.minVersion', message]]);
    expect(refused({ ...ca.server, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' })).toEqual([
      ['secure.maxVersion', message],
    ]);
  });
});

describe('sessions', () => {
  const ticketKeys = Buffer.alloc(48, 7);

  /** Whether a session that was begun with a server is resumed by another one. */
  async function resumes(first: TlsOptions, second: TlsOptions, client: ConnectionOptions = {}): Promise<boolean> {
    const options: ConnectionOptions = { ...client, maxVersion: 'TLSv1.2' };
    const begun = await (await serve(first)).handshake(options);
    const session = begun.client.getSession();
    if (session === undefined) throw new Error('there is no session');
    return (await (await serve(second)).handshake({ ...options, session })).client.isSessionReused();
  }

  it('are resumed by whoever has the same keys for tickets', async () => {
    expect(await resumes({ ...ca.server, ticketKeys }, { ...ca.server, ticketKeys })).toBe(true);
    expect(await resumes({ ...ca.server, ticketKeys }, { ...ca.server, ticketKeys: Buffer.alloc(48, 8) })).toBe(false);
    expect(await resumes(ca.server, ca.server)).toBe(false);
  });

  it('are resumed where clients are checked', async () => {
    const checked = { ...ca.server, ticketKeys, ca: ca.ca.cert, requestCert: true };
    expect(await resumes(checked, checked, ca.client)).toBe(true);
  });

  it('are not resumed where clients are checked in another way', async () => {
    const open = { ...ca.server, ticketKeys };
    const checked = { ...open, ca: [ca.ca.cert, ca.other.ca.cert], requestCert: true };
    expect(await resumes({ ...checked, requestCert: false }, checked, ca.client)).toBe(false);
    expect(await resumes({ ...checked, rejectUnauthorized: false }, checked, ca.client)).toBe(false);
    expect(await resumes(checked, { ...checked, ca: [ca.ca.cert] }, ca.client)).toBe(false);
  });

  it('last as long as they are told', async () => {
    expect(loaded({ ...ca.server, sessionTimeout: 60 }).context.sessionTimeout).toBe(60);
  });
});

describe('a file that cannot be read is a problem that names it', () => {
  it.each([
    ['cert', (path: string) => ({ ...ca.server, cert: path })],
    ['key', (path: string) => ({ ...ca.server, key: path })],
    ['pfx', (path: string) => ({ pfx: path })],
    ['ca', (path: string) => ({ ...ca.server, ca: path })],
    ['ca.1', (path: string) => ({ ...ca.server, ca: [ca.ca.cert, path] })],
    ["sni['a.test'].key", (path: string) => ({ sni: { 'a.test': { ...ca.server, key: path } } })],
  ])('%s', (field, options) => {
    const path = join(directory, 'none.pem');
    expect(refused(options(path))).toEqual([
      [
        `secure.${field}`,
        `there is no file ${path}; check the path, which begins at the working directory unless it is absolute`,
      ],
    ]);
  });

  it('because it is a directory', () => {
    mkdirSync(join(directory, 'folder'));
    expect(refused({ ...ca.server, cert: join(directory, 'folder') })).toEqual([
      ['secure.cert', `${join(directory, 'folder')} is a directory; name the file in it`],
    ]);
    const below = file('no-folder', '');
    expect(refused({ ...ca.server, cert: join(below, 'a.pem') })[0]?.[1]).toContain('there is no file');
  });

  it.skipIf(!canChangeUser)(
    `because it may not be read${canChangeUser ? '' : ' (skipped: cannot become nobody)'}`,
    () => {
      const path = file('forbidden.pem', ca.server.key);
      chmodSync(path, 0);
      const user = process.geteuid?.();
      try {
        // The superuser may read all.
        if (user === 0) process.seteuid?.(NOBODY);
        expect(refused({ ...ca.server, key: path })).toEqual([
          ['secure.key', `${path} may not be read by this process; grant it to the user that runs it`],
        ]);
      } finally {
        if (user === 0) process.seteuid?.(0);
      }
    },
  );

  it('with its path from the beginning, even if it is given another', () => {
    expect(refused({ ...ca.server, cert: 'none.pem' })[0]?.[1]).toContain(` ${join(process.cwd(), 'none.pem')};`);
  });

  it('unless it is no path at all, and may be a secret', () => {
    const body = ca.server.key.split('\n').slice(1, -2);
    for (const key of [body.join('\n'), body.join(''), ca.server.key.replace('-----BEGIN', 'BEGIN')]) {
      expect(refused({ ...ca.server, key })).toEqual([
        ['secure.key', 'is neither PEM text, which has a line with -----BEGIN, nor the path of a file'],
      ]);
    }
  });

  it('all at once', () => {
    const problems = refused({ cert: 'a', key: 'b', ca: ['c'], sni: { 'a.test': { pfx: 'd' }, 'b.test': ca.server } });
    expect(problems.map(([path]) => path)).toEqual([
      'secure.ca.0',
      'secure.cert',
      'secure.key',
      "secure.sni['a.test'].pfx",
    ]);
  });
});

describe('what holds something else is a problem that says what', () => {
  const swapped = 'cert and key may have been swapped';

  it('a key for a certificate, a certificate for a key', () => {
    const cert = file('swapped.pem', ca.server.key);
    const key = file('swapped.key.pem', ca.server.cert);
    expect(refused({ cert, key })).toEqual([
      ['secure.cert', `${cert} holds no certificate: it holds a private key; ${swapped}`],
      ['secure.key', `${key} holds no private key: it holds a certificate; ${swapped}`],
    ]);
    expect(refused({ cert: ca.server.key, key: ca.server.cert })).toEqual([
      ['secure.cert', `the PEM text holds no certificate: it holds a private key; ${swapped}`],
      ['secure.key', `the PEM text holds no private key: it holds a certificate; ${swapped}`],
    ]);
  });

  it.each([
    ['', 'it is empty'],
    ['hello', 'PEM text with a line -----BEGIN was expected'],
    ['-----BEGIN CERTIFICATE-----\nMIIB', 'it is cut off: a line with -----END is missing'],
    [
      '-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n',
      'it holds a request for a certificate; give the certificate that the authority has made of it',
    ],
    ['-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n', 'it holds a public key only'],
  ])('%j for a certificate', (text, why) => {
    const path = file('else.pem', text);
    expect(refused({ ...ca.server, cert: path })).toEqual([['secure.cert', `${path} holds no certificate: ${why}`]]);
    expect(refused({ ...ca.server, ca: path })).toEqual([['secure.ca', `${path} holds no certificate: ${why}`]]);
  });

  it('text whose line breaks were lost in an environment variable', () => {
    const { cert, key } = ca.server;
    expect(refused({ cert: cert.replaceAll('\n', '\\n'), key: key.replaceAll('\n', '\\n') })).toEqual([
      ['secure.cert', expect.stringMatching(/: its lines end with '\\n' written as two characters; turn them/)],
      ['secure.key', expect.stringMatching(/text\.replaceAll\('\\\\n', '\\n'\)$/)],
    ]);
    expect(refused({ cert: cert.replaceAll('\n', ' '), key })).toEqual([
      ['secure.cert', expect.stringMatching(/: its line breaks are missing; quote it where it comes from$/)],
    ]);
  });

  it('DER', () => {
    const cert = new X509Certificate(ca.server.cert).raw;
    const key = createPrivateKey(ca.server.key).export({ type: 'pkcs8', format: 'der' });
    expect(refused({ cert, key })).toEqual([
      [
        'secure.cert',
        expect.stringMatching(/^the buffer holds no certificate: it looks like DER: .* openssl x509 -inform der/),
      ],
      ['secure.key', expect.stringMatching(/: it looks like DER: .* openssl pkey -inform der/)],
    ]);
  });

  it('a key in the format of OpenSSH', () => {
    const key = '-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n';
    expect(refused({ ...ca.server, key })).toEqual([
      ['secure.key', expect.stringMatching(/ssh-keygen -p -m PKCS8 -f$/)],
    ]);
  });

  it('damaged ones', () => {
    const broken = (text: string) => text.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA');
    const cert = file('damaged.pem', ca.server.cert + broken(ca.ca.cert));
    expect(refused({ ...ca.server, cert })).toEqual([
      ['secure.cert', expect.stringMatching(`^certificate 2 of 2 in ${cert} is damaged \\(.*\\); replace it$`)],
    ]);
    expect(refused({ ...ca.server, key: broken(ca.server.key) })).toEqual([
      ['secure.key', expect.stringMatching(/^the private key in the PEM text is damaged \(.*\); replace it$/)],
    ]);
  });
});

describe('a certificate and a key that do not belong together are a problem that names both', () => {
  it.each(['ec', 'rsa'] as const)('of the kinds ec and %s', async (kind) => {
    const cert = file('one.pem', ca.server.cert);
    const key = file('other.key.pem', (await ca.for('localhost', { key: kind })).key);
    expect(refused({ cert, key })).toEqual([
      [
        'secure.key',
        `the private key in ${key} is not that of the certificate for CN=localhost in ${cert}; give the two that were made together`,
      ],
    ]);
  });

  it('unless only the order of the chain is wrong', () => {
    const cert = file('reversed.pem', ca.ca.cert + ca.server.cert);
    expect(refused({ ...ca.server, cert })).toEqual([
      [
        'secure.cert',
        `the certificate that the private key in the PEM text belongs to is number 2 in ${cert}; put it first, and each other one before its issuer`,
      ],
    ]);
  });
});

describe('an encrypted key', () => {
  it('needs its passphrase', async () => {
    const { cert, key } = await ca.for('localhost', { passphrase: secret });
    const path = file('encrypted.key.pem', key);
    expect(refused({ cert, key: path })).toEqual([
      ['secure.passphrase', `is missing: the private key in ${path} is encrypted`],
    ]);
    for (const passphrase of ['wrong', 'x'.repeat(2_000)]) {
      expect(refused({ sni: { 'a.test': { cert, key: path, passphrase } } })).toEqual([
        [
          "secure.sni['a.test'].passphrase",
          expect.stringMatching(
            `^does not decrypt the private key in ${path} \\(.*\\); give the one it was encrypted with$`,
          ),
        ],
      ]);
    }
  });

  it.skipIf(!hasOpenssl)(`of an older format too${withOpenssl}`, () => {
    const [cert, key] = [file('old.pem', ca.server.cert), join(directory, 'old.key.pem')];
    file('old.plain.pem', ca.server.key);
    openssl('ec -in old.plain.pem -aes256 -passout pass:secret -out old.key.pem');
    expect(readFileSync(key, 'latin1')).toContain('Proc-Type: 4,ENCRYPTED');
    expect(loaded({ cert, key, passphrase: 'secret' }).certificate).toBeDefined();
    expect(refused({ cert, key })[0]?.[0]).toBe('secure.passphrase');
    expect(refused({ cert, key, passphrase: 'wrong' })[0]?.[1]).toContain('does not decrypt');
  });
});

describe.skipIf(!hasOpenssl)(`a PKCS#12 archive${withOpenssl}`, () => {
  const archive = (name: string) => join(directory, name);

  beforeAll(() => {
    file('p.pem', ca.server.cert);
    file('p.key.pem', ca.server.key);
    file('chain.pem', ca.ca.cert);
    openssl('pkcs12 -export -in p.pem -inkey p.key.pem -certfile chain.pem -passout pass:secret -out good.pfx');
    openssl('pkcs12 -export -in p.pem -inkey p.key.pem -passout pass: -out open.pfx');
    openssl('pkcs12 -export -in p.pem -nokeys -passout pass:secret -out keyless.pfx');
    openssl('pkcs12 -export -inkey p.key.pem -nocerts -passout pass:secret -out bare.pfx');
  });

  it('has a certificate, its key and its chain in it', async () => {
    for (const pfx of [
      archive('good.pfx'),
      readFileSync(archive('good.pfx')),
      new Uint8Array(readFileSync(archive('good.pfx'))),
    ]) {
      const options = { pfx, passphrase: 'secret' };
      const { client } = await (await serve(options)).handshake();
      expect(client.authorized).toBe(true);
      expect(client.getPeerCertificate(true).issuerCertificate.subject.CN).toBe('the CA of a test');
      expect(loaded(options).certificate?.toString()).toBe(new X509Certificate(ca.server.cert).toString());
    }
    expect([...loaded({ pfx: archive('good.pfx'), passphrase: 'secret' }).files.keys()]).toEqual([archive('good.pfx')]);
  });

  it('may have no passphrase', async () => {
    expect((await (await serve({ pfx: archive('open.pfx') })).handshake()).client.authorized).toBe(true);
  });

  it('may be that of a name', async () => {
    const { handshake } = await serve({ sni: { localhost: { pfx: archive('good.pfx'), passphrase: 'secret' } } });
    expect((await handshake({ servername: 'localhost' })).client.authorized).toBe(true);
  });

  it('that is faulty is a problem', () => {
    const pfx = archive('good.pfx');
    expect(refused({ pfx })).toEqual([['secure.passphrase', `is missing: ${pfx} is encrypted`]]);
    expect(refused({ pfx, passphrase: 'wrong' })).toEqual([
      ['secure.passphrase', `does not decrypt ${pfx}; give the one it was encrypted with`],
    ]);
    const passphrase = 'secret';
    expect(refused({ pfx: archive('keyless.pfx'), passphrase })).toEqual([
      ['secure.pfx', `${archive('keyless.pfx')} holds no private key; export it again, with the key`],
    ]);
    expect(refused({ pfx: archive('bare.pfx'), passphrase })).toEqual([
      ['secure.pfx', expect.stringMatching(/ holds no certificate that goes with its private key; export it again/)],
    ]);
  });

  it('of an old kind is a problem that says how to convert it', () => {
    openssl('pkcs12 -export -legacy -in p.pem -inkey p.key.pem -passout pass:secret -out legacy.pfx');
    const pfx = archive('legacy.pfx');
    expect(refused({ pfx, passphrase: 'secret' })).toEqual([
      ['secure.pfx', expect.stringMatching(`^${pfx} is encrypted in an old way .*openssl pkcs12 -legacy -in`)],
    ]);
  });

  it('that is none is a problem', () => {
    expect(refused({ pfx: archive('p.pem') })).toEqual([
      ['secure.pfx', `${archive('p.pem')} holds PEM text and no archive; give it as cert and key`],
    ]);
    expect(refused({ pfx: ca.server.cert })).toEqual([
      ['secure.pfx', 'the PEM text holds PEM text and no archive; give it as cert and key'],
    ]);
    for (const bytes of [Buffer.from('hello'), Buffer.alloc(0), new X509Certificate(ca.server.cert).raw]) {
      expect(refused({ pfx: bytes })).toEqual([
        ['secure.pfx', expect.stringMatching(/^the buffer is no PKCS#12 archive, or is damaged \(.+\)$/)],
      ]);
    }
  });
});

describe('what OpenSSL refuses is a problem', () => {
  it('a cipher that it does not know', () => {
    for (const ciphers of ['NO-SUCH-CIPHER', 'TLS_NO_SUCH_SUITE', '!aNULL', 'HIGH:@SECLEVEL=9']) {
      expect(refused({ ...ca.server, ciphers })).toEqual([
        ['secure.ciphers', expect.stringMatching(`^OpenSSL cannot use '.*' \\(.+\\); tls.getCiphers\\(\\) lists them`)],
      ]);
    }
  });

  it('once, and beside the rest', () => {
    const problems = refused({
      ciphers: 'NO-SUCH-CIPHER',
      cert: 'none.pem',
      key: ca.server.key,
      sni: { a: ca.server },
    });
    expect(problems.map(([path]) => path)).toEqual(['secure.ciphers', 'secure.cert']);
  });

  it.skipIf(!hasOpenssl)(`a key that is too short${withOpenssl}`, () => {
    openssl('req -x509 -newkey rsa:512 -nodes -keyout weak.key.pem -out weak.pem -days 2 -subj /CN=localhost');
    const cert = join(directory, 'weak.pem');
    const message = `OpenSSL refuses the certificate in ${cert}: ee key too small; have it made anew, with an elliptic curve or 2 048 bits of RSA`;
    expect(refused({ cert, key: join(directory, 'weak.key.pem') })).toEqual([['secure.cert', message]]);
  });
});

describe('what works but deserves a look is a warning', () => {
  const day = 24 * 60 * 60 * 1_000;

  it('there is none for what is right', async () => {
    const options = { ...ca.server, ca: ca.ca.cert, requestCert: true, sni: { localhost: ca.server } };
    expect(warnings(options)).toEqual([]);
    expect(warnings({ ...ca.server, cert: ca.server.cert + ca.ca.cert })).toEqual([]);
  });

  it('a certificate that has expired, or is not yet valid', () => {
    expect(warnings(ca.expired)).toEqual([
      [
        'secure.cert',
        expect.stringMatching(/^the certificate for CN=localhost in the PEM text has expired on 20\d\d-.*Z; replace/),
      ],
    ]);
    expect(warnings(ca.notYetValid)).toEqual([
      [
        'secure.cert',
        expect.stringMatching(/ is valid only from 20\d\d-.*Z on; check it, and the clock of this machine$/),
      ],
    ]);
    expect(warnings({ sni: { localhost: ca.expired } })[0]?.[0]).toBe('secure.sni.localhost.cert');
    expect(warnings({ ...ca.server, ca: [ca.expired.cert] })[0]?.[0]).toBe('secure.ca.0');
  });

  it('a certificate that expires soon, for how long it is valid', async () => {
    const soon = [['secure.cert', expect.stringMatching(/ expires soon, on 20\d\d-/)]];
    const valid = async (before: number, after: number) =>
      warnings(
        await ca.for('localhost', {
          notBefore: new Date(Date.now() - before * day),
          notAfter: new Date(Date.now() + after * day),
        }),
      );
    expect(await valid(76, 13.9)).toEqual(soon);
    expect(await valid(75, 14.1)).toEqual([]);
    expect(await valid(4, 1.1)).toEqual([]);
    expect(await valid(4, 0.9)).toEqual(soon);
  });

  it.skipIf(!hasOpenssl)(`the same in an archive${withOpenssl}`, () => {
    file('e.pem', ca.expired.cert);
    file('e.key.pem', ca.expired.key);
    openssl('pkcs12 -export -in e.pem -inkey e.key.pem -passout pass: -out e.pfx');
    const pfx = join(directory, 'e.pfx');
    expect(warnings({ pfx })).toEqual([['secure.pfx', expect.stringMatching(`in ${pfx} has expired on`)]]);
  });

  it('a certificate for other hosts than it is shown for', async () => {
    const wildcard = await ca.for(['*.a.test', 'b.test']);
    expect(warnings({ sni: { '*.a.test': wildcard, 'x.a.test': wildcard, 'b.test.': wildcard } })).toEqual([]);
    expect(
      warnings({ sni: { 'a.test': wildcard, '*.b.test': wildcard, '*.c.test': await ca.for('x.c.test') } }),
    ).toEqual([
      [
        "secure.sni['a.test']",
        'the certificate for CN=*.a.test is not for a.test but for DNS:*.a.test, DNS:b.test; clients will refuse it',
      ],
      ["secure.sni['*.b.test']", expect.stringContaining('is not for *.b.test but for ')],
      ["secure.sni['*.c.test']", expect.stringContaining('is not for *.c.test but for DNS:x.c.test')],
    ]);
  });

  it('a certificate for a name whose key is of another kind, where Node.js may show the default one instead', async () => {
    const named = await ca.for('a.test', { key: 'rsa' });
    const options = { ...ca.server, sni: { 'a.test': named } };
    expect(warnings({ ...named, sni: { 'a.test': named } })).toEqual([]);
    expect(warnings({ sni: { 'a.test': named, localhost: ca.server } })).toEqual([]);
    if (Number.parseInt(process.versions.node, 10) < 24) {
      const message = expect.stringMatching(
        /^its key is of the kind rsa and that of the default certificate ec, .*version 24/,
      );
      expect(warnings(options)).toEqual([["secure.sni['a.test']", message]]);
    } else {
      expect(warnings(options)).toEqual([]);
      const { client } = await (await serve(options)).handshake({ servername: 'a.test' });
      expect(client.getPeerCertificate().subject.CN).toBe('a.test');
    }
    // Whatever the version, without a default there is only the one.
    const { handshake } = await serve({ sni: { 'a.test': named, localhost: ca.server } });
    for (const servername of ['a.test', 'localhost']) {
      const { client } = await handshake({ servername });
      expect(client.getPeerCertificate().subject.CN).toBe(servername);
    }
  });

  it('a chain that is out of order', () => {
    expect(warnings({ ...ca.server, cert: ca.server.cert + ca.other.ca.cert })).toEqual([
      [
        'secure.cert',
        expect.stringMatching(/^the certificate for CN=localhost in the PEM text is not followed by the one/),
      ],
    ]);
  });

  it('a cipher that is not known among others that are', () => {
    const ciphers =
      'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE+CHACHA20:NO-SUCH:!NO-OTHER:TLS_NO_SUITE:HIGH@SECLEVEL=1';
    expect(warnings({ ...ca.server, ciphers })).toEqual([
      ['secure.ciphers', "OpenSSL knows no cipher 'NO-SUCH' and passes over it; check its name"],
      ['secure.ciphers', "OpenSSL knows no cipher 'TLS_NO_SUITE' and passes over it; check its name"],
    ]);
  });

  it('clients that any public authority may vouch for', () => {
    expect(warnings({ ...ca.server, requestCert: true })).toEqual([
      [
        'secure.ca',
        expect.stringMatching(/^is missing, so clients with a certificate of any public authority are accepted/),
      ],
    ]);
    expect(warnings({ ...ca.server, requestCert: true, rejectUnauthorized: false })).toEqual([]);
  });
});

it('problems and warnings are below the path that is given', () => {
  expect(loadCredentials({ ...ca.server, cert: 'none.pem' }, 'startTls')).toEqual({
    problems: [{ path: 'startTls.cert', message: expect.any(String) }],
  });
});
