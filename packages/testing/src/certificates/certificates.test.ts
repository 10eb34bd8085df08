import { execFile, spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Certificates, certificates } from './certificates.js';

const run = promisify(execFile);
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const withOpenssl = hasOpenssl ? '' : ' (skipped: no openssl here)';

let ca: Certificates;

beforeAll(async () => {
  ca = await certificates();
});

/** Shakes hands with a server that has these options; gives the client's error, if any. */
async function handshake(options: TlsOptions, client: Parameters<typeof connect>[1]): Promise<string | undefined> {
  const server = createServer(options, (socket) => socket.end('welcome'));
  server.on('tlsClientError', () => {}); // The client tells.
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, { host: '127.0.0.1', ...client });
  try {
    await once(socket, 'secureConnect');
    // In TLS 1.3 only the first bytes from the server tell that it has accepted the client's certificate.
    const [chunk] = await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    return String(chunk) === 'welcome' ? undefined : 'closed by the server';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    socket.destroy();
    server.close();
  }
}

describe('an authority', () => {
  it('is another one each time', async () => {
    const second = await certificates();
    expect(second.ca.cert).not.toBe(ca.ca.cert);
    expect(new X509Certificate(ca.server.cert).verify(new X509Certificate(second.ca.cert).publicKey)).toBe(false);
  });

  it('makes each certificate once, with a serial number of its own', () => {
    const { server, client, expired, notYetValid, wrongHost, selfSigned } = ca;
    expect(ca.server).toBe(server);
    const made = [ca.ca, server, client, expired, notYetValid, wrongHost, selfSigned, ca.other.server];
    expect(new Set(made.map(({ cert }) => new X509Certificate(cert).serialNumber)).size).toBe(made.length);
    expect(ca.other).toBe(ca.other);
  });

  it('gives each certificate the key that belongs to it', async () => {
    for (const { cert, key } of [ca.ca, ca.server, ca.client, ca.selfSigned, await ca.for('a.test', { key: 'rsa' })]) {
      expect(new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))).toBe(true);
    }
  });
});

describe('what it issues', () => {
  it('names localhost and its addresses, or what it is told', async () => {
    const server = new X509Certificate(ca.server.cert);
    expect(server.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
    expect(server.subject).toBe('CN=localhost');
    const hosts = ['*.example.com', '192.168.0.255', '2001:db8::ff00:1.2.3.4', 'fe80:1:2:3:4:5:6:7'];
    const other = new X509Certificate((await ca.for(hosts, { commonName: 'a name' })).cert);
    expect(other.subject).toBe('CN=a name');
    expect(other.checkHost('mail.example.com')).toBe('*.example.com');
    expect(other.checkHost('example.com')).toBeUndefined();
    expect(other.checkIP('192.168.0.255')).toBe('192.168.0.255');
    expect(other.checkIP('2001:db8::ff00:102:304')).toBeDefined();
    expect(other.checkIP('fe80:1:2:3:4:5:6:7')).toBeDefined();
  });

  it('is valid for as long as it is told, past 2049 too', async () => {
    const notBefore = new Date('1999-12-31T23:59:58Z');
    const notAfter = new Date('2050-01-01T00:00:01Z');
    const { validFrom, validTo } = new X509Certificate((await ca.for('a.test', { notBefore, notAfter })).cert);
    expect([new Date(validFrom), new Date(validTo)]).toEqual([notBefore, notAfter]);
    const past = new X509Certificate((await ca.for('a.test', { notAfter: notBefore })).cert);
    expect(new Date(past.validFrom).getTime()).toBeLessThan(notBefore.getTime());
  });

  it('may have a key that is encrypted', async () => {
    const { key, passphrase } = await ca.for('a.test', { passphrase: 'secret' });
    expect(passphrase).toBe('secret');
    expect(key).toContain('BEGIN ENCRYPTED PRIVATE KEY');
    expect(() => createPrivateKey(key)).toThrow();
    expect(createPrivateKey({ key, passphrase: 'secret' }).asymmetricKeyType).toBe('ec');
  });

  it('needs a name', async () => {
    await expect(ca.for([])).rejects.toThrow('give a host or a commonName');
  });
});

describe('in a handshake', () => {
  it('a client that trusts the authority takes the server, by name and by address', async () => {
    const trusting = { ca: ca.ca.cert };
    expect(await handshake(ca.server, trusting)).toBeUndefined();
    expect(await handshake(ca.server, { ...trusting, servername: 'localhost' })).toBeUndefined();
    const rsa = await ca.for('127.0.0.1', { key: 'rsa', passphrase: 'secret' });
    expect(await handshake({ ...rsa, ciphers: 'AES128-GCM-SHA256', maxVersion: 'TLSv1.2' }, trusting)).toBeUndefined();
  });

  it('a server that asks for a certificate takes the client, and one for both', async () => {
    const mutual = { ...ca.server, ca: ca.ca.cert, requestCert: true };
    expect(await handshake(mutual, { ca: ca.ca.cert, ...ca.client })).toBeUndefined();
    const both = await ca.for('127.0.0.1', { usage: 'both' });
    expect(await handshake({ ...mutual, ...both }, { ca: ca.ca.cert, ...both })).toBeUndefined();
  });

  it.each([
    ['expired', 'CERT_HAS_EXPIRED'],
    ['notYetValid', 'CERT_NOT_YET_VALID'],
    ['wrongHost', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['selfSigned', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['client', 'INVALID_PURPOSE'],
  ] as const)('%s is refused for its reason', async (name, code) => {
    expect(await handshake(ca[name], { ca: ca.ca.cert })).toBe(code);
  });

  it('what another authority issued is refused', async () => {
    expect(await handshake(ca.other.server, { ca: ca.ca.cert })).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    expect(await handshake(ca.other.server, { ca: ca.other.ca.cert })).toBeUndefined();
  });

  it('what signs itself is taken by those who trust it', async () => {
    expect(await handshake(ca.selfSigned, { ca: ca.selfSigned.cert })).toBeUndefined();
  });

  it('a server does not take a certificate that is only for servers', async () => {
    const mutual = { ...ca.server, ca: ca.ca.cert, requestCert: true };
    expect(await handshake(mutual, { ca: ca.ca.cert, ...ca.server })).toBeDefined();
  });
});

describe('files', () => {
  it('are in a directory that disappears', async () => {
    let directory: string;
    {
      await using files = await ca.files();
      directory = files.directory;
      expect(await readFile(files.ca, 'utf8')).toBe(ca.ca.cert);
      expect(await readFile(files.server.cert, 'utf8')).toBe(ca.server.cert);
      expect(await readFile(files.client.key, 'utf8')).toBe(ca.client.key);
      expect((await stat(files.server.key)).mode & 0o777).toBe(0o600);
    }
    await expect(stat(directory)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('replace one another, and only they are removed from a directory that was given', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reagent-'));
    try {
      await writeFile(join(directory, 'mine'), '');
      {
        await using files = await ca.files(directory);
        const next = await ca.for('localhost');
        expect(await files.write('server', next)).toEqual(files.server);
        expect(await readFile(files.server.cert, 'utf8')).toBe(next.cert);
        await files.write('more', next);
        expect((await readdir(directory)).length).toBe(8);
      }
      expect(await readdir(directory)).toEqual(['mine']);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe.skipIf(!hasOpenssl)(`the openssl program${withOpenssl}`, () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reagent-'));
    await writeFile(join(directory, 'ca.pem'), ca.ca.cert);
  });

  afterAll(() => rm(directory, { recursive: true }));

  async function verify(cert: string, ...options: readonly string[]): Promise<string> {
    const path = join(directory, 'leaf.pem');
    await writeFile(path, cert);
    const { stdout, stderr } = await run('openssl', ['verify', '-x509_strict', ...options, path]).catch(
      (error) => error,
    );
    return stdout + stderr;
  }

  it('finds nothing wrong with them, strictly', async () => {
    const trusting = ['-CAfile', join(directory, 'ca.pem')];
    expect(await verify(ca.ca.cert, ...trusting)).toMatch(/: OK\n$/);
    expect(await verify(ca.server.cert, ...trusting, '-purpose', 'sslserver')).toMatch(/: OK\n$/);
    expect(await verify(ca.server.cert, ...trusting, '-verify_ip', '::1')).toMatch(/: OK\n$/);
    expect(await verify(ca.client.cert, ...trusting, '-purpose', 'sslclient')).toMatch(/: OK\n$/);
    const rsa = await ca.for('*.a.test', { key: 'rsa' });
    expect(await verify(rsa.cert, ...trusting, '-verify_hostname', 'b.a.test')).toMatch(/: OK\n$/);
    await writeFile(join(directory, 'self.pem'), ca.selfSigned.cert);
    expect(await verify(ca.selfSigned.cert, '-CAfile', join(directory, 'self.pem'))).toMatch(/: OK\n$/);
  });

  it('sees what they may be used for', async () => {
    const path = join(directory, 'rsa.pem');
    await writeFile(path, (await ca.for('a.test', { key: 'rsa', usage: 'both' })).cert);
    const { stdout } = await run('openssl', [
      'x509',
      '-in',
      path,
      '-noout',
      '-ext',
      'basicConstraints,keyUsage,extendedKeyUsage',
    ]);
    expect(stdout).toContain('CA:FALSE\n');
    expect(stdout).toContain('Digital Signature, Key Encipherment\n');
    expect(stdout).toContain('TLS Web Server Authentication, TLS Web Client Authentication\n');
  });

  it('refuses those that are not right', async () => {
    const trusting = ['-CAfile', join(directory, 'ca.pem')];
    expect(await verify(ca.expired.cert, ...trusting)).toContain('certificate has expired');
    expect(await verify(ca.notYetValid.cert, ...trusting)).toContain('certificate is not yet valid');
    expect(await verify(ca.other.server.cert, ...trusting)).toContain('unable to get local issuer certificate');
    expect(await verify(ca.wrongHost.cert, ...trusting, '-verify_hostname', 'localhost')).toContain(
      'hostname mismatch',
    );
  });

  it('shakes hands with a server, both showing theirs', async () => {
    const server = createServer({ ...ca.server, ca: ca.ca.cert, requestCert: true }, (socket) => {
      // Within the turn that ends the handshake, Node.js up to 24 leaves out the closing alert of TLS 1.3.
      setImmediate(() => socket.end('welcome\n'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      await using files = await ca.files();
      const port = (server.address() as AddressInfo).port;
      const secure = once(server, 'secureConnection') as Promise<[TLSSocket]>;
      const client = run('openssl', [
        ...['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', files.ca, '-verify_return_error'],
        ...['-verify_ip', '127.0.0.1', '-cert', files.client.cert, '-key', files.client.key, '-quiet'],
      ]);
      const [socket] = await secure;
      expect(socket.authorized).toBe(true);
      expect(socket.getPeerCertificate().subject.CN).toBe('client');
      expect((await client).stdout).toContain('welcome');
    } finally {
      server.close();
    }
  });
});
