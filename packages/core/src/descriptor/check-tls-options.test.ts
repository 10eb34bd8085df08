import { describe, expect, test } from 'vitest';
import { checkDescriptor, checkTlsOptions } from './check.js';

const pair = { cert: 'server.crt', key: 'server.key' };
const secret = 'correct horse battery staple';
const pemKey = '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIB\n-----END PRIVATE KEY-----\n';

function refused(input: unknown): [path: string, message: string][] {
  const checked = checkTlsOptions('secure', input);
  if (!('problems' in checked)) throw new Error('was accepted');
  return checked.problems.map(({ path, message }) => [path, message]);
}

describe('TLS options', () => {
  test('are kept as they are given', () => {
    const options = {
      ...pair,
      ca: [Buffer.from('ca'), 'ca.pem'],
      passphrase: secret,
      requestCert: true,
      rejectUnauthorized: false,
      alpn: ['h2', 'é'.repeat(127)],
      sni: { localhost: pair, 'Example.com.': { pfx: 'a.pfx', passphrase: 'x' }, '*.example.com': pair },
      ciphers: 'HIGH',
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ticketKeys: new Uint8Array(48),
      sessionTimeout: 1,
      watch: true,
    };
    expect(checkTlsOptions('secure', options)).toEqual({ options });
  });

  test.each([
    [pair],
    [{ pfx: 'a.pfx' }],
    [{ pfx: new Uint8Array(1), passphrase: secret }],
    [{ sni: { 'a.test': pair } }],
    [{ ...pair, ca: 'ca.pem' }],
    [{ ...pair, requestCert: true }],
    [{ ...pair, requestCert: false, rejectUnauthorized: undefined }],
    [{ ...pair, minVersion: 'TLSv1.3' }],
    [{ ...pair, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }],
    [{ ...pair, ciphers: 'TLS_AES_128_GCM_SHA256' }],
  ])('may be %j', (options) => {
    expect(checkTlsOptions('secure', options)).toEqual({ options });
  });

  test('are checked in a descriptor by the same rules', () => {
    const checked = checkDescriptor('Echo', { port: 0, secure: { cert: '', alpn: [] } });
    expect('problems' in checked && checked.problems.map(({ path }) => path)).toEqual([
      'secure.cert',
      'secure.alpn',
      'secure.key',
    ]);
  });

  test('are named by the path they have', () => {
    expect(checkTlsOptions('startTls', { cert: 'c', sni: { 'a.test': { key: 'k' } } })).toEqual({
      problems: [
        { path: 'startTls.key', message: expect.any(String) },
        { path: "startTls.sni['a.test'].cert", message: expect.any(String) },
      ],
    });
  });
});

describe('a value that is wrong is refused with what was expected', () => {
  test.each([
    [true, 'secure', "expected TLS options such as { cert: 'server.crt', key: 'server.key' }, received true"],
    [Buffer.from('bytes'), 'secure', 'expected an object, received 5 bytes'],
    [{ ...pair, cert: '' }, 'secure.cert', "expected PEM text, bytes or the path of a file, received ''"],
    [{ ...pair, key: Buffer.alloc(0) }, 'secure.key', expect.stringMatching(/, received 0 bytes$/)],
    [{ ...pair, key: null }, 'secure.key', expect.stringMatching(/, received null$/)],
    [
      { ...pair, key: Promise.resolve('') },
      'secure.key',
      expect.stringMatching(/, received a promise; await it first$/),
    ],
    [
      { ...pair, cert: new URL('file:///server.crt') },
      'secure.cert',
      expect.stringMatching(/, received an object; turn it into a path with fileURLToPath\(\)$/),
    ],
    [{ ...pair, passphrase: '' }, 'secure.passphrase', "expected a text that is not empty, received ''"],
    [{ ...pair, ca: [] }, 'secure.ca', expect.stringMatching(/^expected .*received an empty list$/)],
    [{ ...pair, ca: ['a.pem', ''] }, 'secure.ca.1', expect.stringMatching(/, received ''$/)],
    [
      { ...pair, ca: 5 },
      'secure.ca',
      expect.stringMatching(/^expected a certificate, or a list .*, received a number$/),
    ],
    [{ ...pair, requestCert: 1 }, 'secure.requestCert', 'expected true or false, received 1'],
    [{ ...pair, alpn: [] }, 'secure.alpn', 'expected one protocol at least, received []'],
    [{ ...pair, alpn: 'h2' }, 'secure.alpn', "expected a list of protocols such as ['h2', 'http/1.1'], received 'h2'"],
    [{ ...pair, alpn: ['h2', ''] }, 'secure.alpn.1', "expected the name of a protocol, of 1 to 255 bytes, received ''"],
    [{ ...pair, alpn: ['é'.repeat(128)] }, 'secure.alpn.0', expect.stringMatching(/^expected the name of a protocol/)],
    [{ ...pair, sni: 'a.test' }, 'secure.sni', expect.stringMatching(/^expected certificates by host name/)],
    [{ sni: { 'a.test': 'a.crt' } }, "secure.sni['a.test']", expect.stringMatching(/received a text$/)],
    [{ ...pair, ciphers: '' }, 'secure.ciphers', "expected ciphers in OpenSSL's notation, received ''"],
    [{ ...pair, minVersion: 'TLS1.3' }, 'secure.minVersion', "expected 'TLSv1.2' or 'TLSv1.3', received 'TLS1.3'"],
    [{ ...pair, maxVersion: 1.3 }, 'secure.maxVersion', "expected 'TLSv1.2' or 'TLSv1.3', received 1.3"],
    [{ ...pair, ticketKeys: new Uint8Array(47) }, 'secure.ticketKeys', 'expected exactly 48 bytes, received 47 bytes'],
    [
      { ...pair, ticketKeys: secret },
      'secure.ticketKeys',
      "expected exactly 48 bytes, received a text; turn it into bytes with Buffer.from(text, 'base64')",
    ],
    [
      { ...pair, sessionTimeout: 0 },
      'secure.sessionTimeout',
      'expected whole seconds, an integer of 1 or more, received 0',
    ],
    [{ ...pair, sessionTimeout: 1.5 }, 'secure.sessionTimeout', expect.stringMatching(/, received 1.5$/)],
    [{ ...pair, sessionTimeout: 2 ** 31 }, 'secure.sessionTimeout', expect.stringMatching(/, received 2147483648$/)],
    [{ ...pair, watch: 'yes' }, 'secure.watch', "expected true or false, received 'yes'"],
  ])('%j', (options, path, message) => {
    expect(refused(options)).toEqual([[path, message]]);
  });
});

describe('options that do not go together are refused', () => {
  test.each([
    [{}, 'secure', 'expected cert and key, pfx or sni, received none of them; give a certificate and its private key'],
    [{ sni: {}, requestCert: true }, 'secure', expect.stringMatching(/^expected cert and key, pfx or sni/)],
    [{ cert: 'c' }, 'secure.key', 'is missing; give the private key of cert'],
    [{ key: 'k' }, 'secure.cert', 'is missing; give the certificate of key'],
    [{ ...pair, pfx: 'p' }, 'secure.pfx', expect.stringMatching(/and cert and key would be another; keep one/)],
    [{ cert: 'c', pfx: 'p' }, 'secure.pfx', expect.stringMatching(/and cert would be another; keep one/)],
    [{ passphrase: 'x', sni: { a: pair } }, 'secure.passphrase', 'goes with key or pfx; remove it'],
    [{ sni: { 'a.test': {} } }, "secure.sni['a.test']", 'expected cert and key, or pfx, received none of them'],
    [{ sni: { 'a.test': { cert: 'c' } } }, "secure.sni['a.test'].key", 'is missing; give the private key of cert'],
    [
      { ...pair, rejectUnauthorized: true },
      'secure.rejectUnauthorized',
      'goes with requestCert: true, without which no client shows a certificate; add that, or remove it',
    ],
    [{ ...pair, requestCert: false, rejectUnauthorized: false }, 'secure.rejectUnauthorized', expect.any(String)],
    [
      { ...pair, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' },
      'secure.maxVersion',
      'is TLSv1.2, older than minVersion, which is TLSv1.3; lower that, or raise this',
    ],
    [
      { ...pair, maxVersion: 'TLSv1.1' },
      'secure.maxVersion',
      'is TLSv1.1, older than minVersion, which is TLSv1.2 by default; lower that, or raise this',
    ],
    [
      { ...pair, ciphers: 'TLS_AES_128_GCM_SHA256', maxVersion: 'TLSv1.2' },
      'secure.ciphers',
      'are all of TLSv1.3, which maxVersion, TLSv1.2, excludes; add others, or remove maxVersion',
    ],
  ])('%j', (options, path, message) => {
    expect(refused(options)).toEqual([[path, message]]);
  });

  test.each([
    ['10.0.0.1', /^is an address/],
    ['::1', /^is an address/],
    ['*', /^would be all hosts/],
    ['a.*.test', /^a wildcard stands for the first label/],
    ['*.*.test', /^a wildcard stands for the first label/],
    ['w*.test', /^a wildcard stands for the first label/],
    ['bücher.test', /^clients ask for it in ASCII: write 'xn--bcher-kva\.test'$/],
    ['*.bücher.test', /write '\*\.xn--bcher-kva\.test'$/],
    ['', /^is no host name/],
    ['a..test', /^is no host name/],
    ['-a.test', /^is no host name/],
    ['a.test:443', /^is no host name; write one such as 'example\.com' or '\*\.example\.com'$/],
    ['https://a.test', /^is no host name/],
    [`${'a'.repeat(64)}.test`, /^is no host name/],
    [`${'a.'.repeat(127)}`.padEnd(255, 'a'), /^is no host name/],
  ])('a certificate for %j', (host, message) => {
    const [[path, found] = ['', '']] = refused({ sni: { [host]: pair } });
    expect(found).toMatch(message);
    expect(path).toBe(/[.*]/.test(host) ? `secure.sni['${host}']` : `secure.sni.${host}`);
  });

  test('two certificates for what is one host', () => {
    expect(refused({ sni: { 'a.test': pair, 'A.test.': pair } })).toEqual([
      ["secure.sni['A.test.']", 'is the same host as a.test; keep one of them'],
    ]);
  });
});

describe('an unknown option is refused with the one that was meant', () => {
  test.each([
    [{ certificate: 'c' }, 'secure.certificate', 'is no field of secure; did you mean secure.cert?'],
    [{ ALPNProtocols: ['h2'] }, 'secure.ALPNProtocols', 'is no field of secure; did you mean secure.alpn?'],
    [{ minversion: 'x' }, 'secure.minversion', 'is no field of secure; did you mean secure.minVersion?'],
    [{ rejectUnauthorised: true }, 'secure.rejectUnauthorised', expect.stringMatching(/secure\.rejectUnauthorized\?$/)],
    [{ secureOptions: 4 }, 'secure.secureOptions', 'is no field of secure; remove it'],
    [
      { sni: { 'a.test': { ...pair, certs: 'c' } } },
      "secure.sni['a.test'].certs",
      "is no field of secure.sni['a.test']; did you mean secure.sni['a.test'].cert?",
    ],
    [
      { sni: { 'a.test': { ...pair, alpn: ['h2'] } } },
      "secure.sni['a.test'].alpn",
      "is no field of secure.sni['a.test']; did you mean secure.alpn?",
    ],
  ])('%j', (options, path, message) => {
    expect(refused({ ...pair, ...options })).toEqual([[path, message]]);
    const checked = checkDescriptor('Echo', { port: 0, secure: { ...pair, ...options } });
    expect(checked).toEqual({ problems: [{ where: 'Echo', path, message }] });
  });
});

describe('what is secret is in no message', () => {
  const bytes = Buffer.from(secret);

  test.each([
    [{ ...pair, key: [pemKey, secret] }],
    [{ ...pair, key: { pem: pemKey, passphrase: secret } }],
    [{ cert: pemKey, passphrase: [secret] }],
    [{ ...pair, passphrase: { secret } }],
    [{ ...pair, passphrase: bytes }],
    [{ pfx: bytes, ...pair }],
    [{ pfx: [bytes] }],
    [{ ...pair, ticketKeys: bytes }],
    [{ ...pair, ticketKeys: secret }],
    [{ ...pair, ca: { secret } }],
    [{ sni: { 'a.test': { ...pair, passphrase: 0, key: { secret } } } }],
    [{ sni: { 'a.test': secret } }],
    [{ sni: [secret] }],
    [{ ...pair, ciphers: [pemKey], alpn: pemKey, watch: { pemKey }, requestCert: bytes }],
    [secret],
    [pemKey],
    [[secret]],
    [bytes],
  ])('%#', (options) => {
    for (const checked of [checkTlsOptions('secure', options), checkDescriptor('Echo', { port: 0, secure: options })]) {
      const shown = 'problems' in checked ? JSON.stringify(checked.problems) : '';
      expect(shown).toContain('secure');
      for (const part of ['horse', 'MC4CAQ', 'BEGIN', '636f']) expect(shown).not.toContain(part);
    }
  });

  test('wherever in a descriptor it stands by mistake', () => {
    const checked = checkDescriptor('Echo', { port: pemKey, host: [pemKey], name: bytes });
    const shown = JSON.stringify('problems' in checked && checked.problems);
    expect(shown).toContain('received PEM text');
    expect(shown).toContain('received 28 bytes');
    expect(shown).not.toContain(bytes.toString('hex', 0, 4));
    expect(shown).not.toContain('MC4CAQ');
  });
});
