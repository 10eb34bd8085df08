import { describe, expect, it } from 'vitest';
import { crc32c } from './crc32c.js';
import type { ProxyHeader } from './proxy-header.js';
import { ProxyHeaderReader } from './proxy-header-reader.js';
import { type ProxyHeaderOptions, proxyHeader } from './write-proxy-header.js';

const source = { address: '203.0.113.7', port: 51_234 };
const destination = { address: '198.51.100.1', port: 443 };
const SIGNATURE = '0d0a0d0a000d0a515549540a';
const ENDS = 'cb007107c6336401c82201bb';

const hex = (options: ProxyHeaderOptions) => proxyHeader(options).toString('hex');
const line = (options: ProxyHeaderOptions) => proxyHeader({ version: 1, ...options }).toString('latin1');

function read(bytes: Buffer): ProxyHeader {
  const result = new ProxyHeaderReader([1, 2]).read(bytes);
  if (result === 'more') throw new Error('the header is not complete');
  expect(result.rest.length).toBe(0);
  return result.header;
}

describe('proxyHeader() of version 1', () => {
  it('writes the example of the specification', () => {
    expect(
      line({ source: { address: '192.168.0.1', port: 56_324 }, destination: { address: '192.168.0.11', port: 443 } }),
    ).toBe('PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n');
  });

  it('writes IPv6 addresses in their canonical form, without a zone', () => {
    const ends = { source: { address: '2001:DB8:0::7', port: 1 }, destination: { address: 'fe80::1%eth0', port: 0 } };
    expect(line(ends)).toBe('PROXY TCP6 2001:db8::7 fe80::1 1 0\r\n');
  });

  it('writes mapped addresses as the IPv4 addresses they are, and maps one whose other end is IPv6', () => {
    const mapped = { address: '::ffff:203.0.113.7', port: 51_234, family: 'IPv6' } as const;
    expect(line({ source: mapped, destination })).toBe('PROXY TCP4 203.0.113.7 198.51.100.1 51234 443\r\n');
    expect(line({ source, destination: { address: '::1', port: 443 } })).toBe(
      'PROXY TCP6 ::ffff:203.0.113.7 ::1 51234 443\r\n',
    );
  });

  it('calls unknown what is not TCP over IP', () => {
    expect(line({})).toBe('PROXY UNKNOWN\r\n');
    expect(line({ source, destination, transport: 'udp' })).toBe('PROXY UNKNOWN\r\n');
    const unix = { address: '/run/app.sock', port: 0 };
    expect(line({ source: { address: '', port: 0, family: 'unix' }, destination: unix })).toBe('PROXY UNKNOWN\r\n');
  });

  it.each<[ProxyHeaderOptions, string]>([
    [{ command: 'local' }, 'version 1 cannot say that a connection is local; give the ends of the connection itself'],
    [{ alpn: 'h2' }, 'version 1 tells the two ends and nothing else; use version 2, or leave the rest out'],
    [{ tlvs: [{ type: 4, value: Buffer.alloc(0) }] }, 'version 1 tells the two ends and nothing else'],
    [{ checksum: true }, 'version 1 tells the two ends and nothing else'],
  ])('refuses %j', (options, message) => {
    expect(() => line({ source, destination, ...options })).toThrow(message);
  });
});

describe('proxyHeader() of version 2', () => {
  it('is the default, and writes the bytes of the specification', () => {
    expect(hex({ source, destination })).toBe(`${SIGNATURE}2111000c${ENDS}`);
    expect(hex({ source, destination, transport: 'udp' })).toBe(`${SIGNATURE}2112000c${ENDS}`);
    expect(
      hex({ source: { address: '2001:db8::7', port: 51_234 }, destination: { address: '2001:db8::ff', port: 443 } }),
    ).toBe(`${SIGNATURE}2121002420010db800000000000000000000000720010db80000000000000000000000ffc82201bb`);
  });

  it('writes the paths of Unix sockets, and the names of abstract ones', () => {
    const path = `/${'x'.repeat(107)}`;
    const header = proxyHeader({
      source: { address: '\0client', port: 0 },
      destination: { address: path, port: 0, family: 'unix' },
    });
    expect(header.length).toBe(16 + 216);
    expect(header.subarray(12, 24).toString('hex')).toBe('213100d800636c69656e7400');
    expect(header.subarray(16 + 108).toString()).toBe(path);
  });

  it('maps an IPv4 address whose other end is IPv6', () => {
    const header = proxyHeader({ source, destination: { address: '::1', port: 443 } });
    expect(header.subarray(13, 32).toString('hex')).toBe('21002400000000000000000000ffffcb007107');
  });

  it('writes no ends of a local connection, nor where they are not known', () => {
    expect(hex({ command: 'local' })).toBe(`${SIGNATURE}20000000`);
    expect(hex({})).toBe(`${SIGNATURE}21000000`);
    expect(hex({ transport: 'unspecified', uniqueId: 'AB' })).toBe(`${SIGNATURE}210000050500024142`);
  });

  it('writes each field', () => {
    const fields = ['0100026832', '0200013a', '0500020102', '3000016e', 'ea000178'].join('');
    expect(
      hex({
        source,
        destination,
        alpn: 'h2',
        authority: ':',
        uniqueId: Uint8Array.of(1, 2),
        networkNamespace: 'n',
        tlvs: [{ type: 0xea, value: Buffer.from('x') }],
      }),
    ).toBe(`${SIGNATURE}21110022${ENDS}${fields}`);
  });

  it('writes what there is to say about TLS', () => {
    const about = (ssl: ProxyHeaderOptions['ssl']) => hex({ ssl }).slice(38);
    expect(about({})).toBe('0100000001');
    expect(about({ clientTls: false })).toBe('0000000001');
    expect(about({ verified: true })).toBe('0700000000');
    expect(about({ verified: true, certificateConnection: false, certificateSession: true })).toBe('0500000000');
    expect(about({ certificateConnection: true, version: 'T', certificate: Buffer.from('C') })).toBe(
      '0700000001' + '21000154' + '28000143',
    );
    expect(read(proxyHeader({ ssl: { commonName: 'cn', cipher: 'ci', signatureAlgorithm: 'sa' } })).ssl).toMatchObject({
      commonName: 'cn',
      cipher: 'ci',
      signatureAlgorithm: 'sa',
    });
    expect(read(proxyHeader({ ssl: { keyAlgorithm: 'ka', group: 'gr', signatureScheme: 'sc' } })).ssl).toMatchObject({
      keyAlgorithm: 'ka',
      group: 'gr',
      signatureScheme: 'sc',
    });
  });

  it('adds a checksum of the whole header', () => {
    const header = proxyHeader({ source, destination, alpn: 'h2', checksum: true });
    const checksum = header.readUInt32BE(header.length - 4);
    header.fill(0, header.length - 4);
    expect(header.subarray(-7, -4).toString('hex')).toBe('030004');
    expect(crc32c(header)).toBe(checksum);
    // As HAProxy has calculated it.
    expect(hex({ command: 'local', checksum: true })).toBe('0d0a0d0a000d0a515549540a20000007030004a9b87e8f');
  });

  it('passes on a header that was received: what it says, its other fields, a new checksum', () => {
    const received = read(
      proxyHeader({
        source,
        destination,
        alpn: 'h2',
        uniqueId: 'id',
        ssl: { verified: true, commonName: 'client' },
        checksum: true,
        tlvs: [{ type: 0xea, value: Buffer.from('x') }],
      }),
    );
    const passedOn = read(proxyHeader(received));
    expect(passedOn).toEqual({ ...received, tlvs: expect.any(Array) });
    expect(passedOn.tlvs.map(({ type }) => type).sort()).toEqual(received.tlvs.map(({ type }) => type).sort());

    const changed = read(proxyHeader({ ...received, authority: 'example.com', alpn: 'http/1.1', checksum: false }));
    expect(changed).toMatchObject({ authority: 'example.com', alpn: 'http/1.1', uniqueId: Buffer.from('id') });
    expect(changed.tlvs.map(({ type }) => type)).toEqual([0x01, 0x02, 0x05, 0x20, 0xea]);
  });

  it('passes on headers of all kinds', () => {
    for (const options of [{ command: 'local' }, {}, { version: 1 }, { version: 1, source, destination }] as const) {
      const received = read(proxyHeader(options));
      expect(read(proxyHeader(received))).toEqual(received);
    }
  });

  it('writes as much as there is room for', () => {
    const tlvs = [{ type: 0xe0, value: Buffer.alloc(65_532) }];
    expect(proxyHeader({ tlvs }).length).toBe(16 + 65_535);
    expect(() => proxyHeader({ tlvs, alpn: 'h2' })).toThrow(
      'the header has 65540 bytes behind its first 16; there is room for 65535',
    );
  });

  const unix = { address: '/run/app.sock', port: 0 };
  it.each<[string, unknown, string]>([
    ['what is no options', undefined, 'proxyHeader() takes options such as { version }, not undefined'],
    ['an unknown option', { sorce: source }, 'proxyHeader() has no option sorce; did you mean source?'],
    ['version 3', { version: 3 }, 'proxyHeader({ version }) takes 1, 2, not 3'],
    ['an unknown command', { command: 'PROXY' }, 'proxyHeader({ command }) takes "proxy", "local", not "PROXY"'],
    ['an unknown transport', { transport: 'sctp' }, 'proxyHeader({ transport }) takes "tcp", "udp", "unspecified"'],
    ['a source alone', { source }, 'source and destination go together; destination is missing'],
    ['a destination alone', { destination }, 'source and destination go together; source is missing'],
    ['ends of a local connection', { command: 'local', source, destination }, 'a local header has no source'],
    ['ends of no transport', { transport: 'unspecified', source, destination }, 'a header of an unspecified transport'],
    ['an IP address and a path', { source, destination: unix }, 'have to be both Unix sockets, or both IP addresses'],
    ['a name', { source: { address: 'localhost', port: 1 }, destination }, 'not "localhost"'],
    ['no port', { source: { address: '1.2.3.4' }, destination }, 'the port of source has to be a whole number'],
    ['a port of 65536', { source, destination: { address: '1.2.3.4', port: 65_536 } }, 'the port of destination'],
    ['a port of 1.5', { source: { address: '1.2.3.4', port: 1.5 }, destination }, 'not 1.5'],
    ['a long path', { source: unix, destination: { address: `/${'é'.repeat(54)}`, port: 0 } }, 'has 109 bytes'],
    ['a long unique ID', { uniqueId: 'é'.repeat(65) }, 'uniqueId has 130 bytes; there is room for 128'],
    [
      'a type of 256',
      { tlvs: [{ type: 256, value: Buffer.alloc(0) }] },
      'the type of a field has to be a whole number',
    ],
    ['a long field', { authority: 'x'.repeat(65_536) }, 'the field of type 2 has 65536 bytes; there is room for 65535'],
    ['a checksum of 1', { checksum: 1 }, 'proxyHeader({ checksum }) takes true or false, not 1'],
  ])('refuses %s', (_, options, message) => {
    expect(() => proxyHeader(options as ProxyHeaderOptions)).toThrow(message);
  });
});
