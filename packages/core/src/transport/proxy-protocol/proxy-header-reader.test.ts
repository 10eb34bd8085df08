import { describe, expect, it } from 'vitest';
import { everyCut } from '../../../test/support/codec-driver.js';
import { ReagentError } from '../../errors.js';
import { crc32c } from './crc32c.js';
import type { ProxyHeader } from './proxy-header.js';
import { ProxyHeaderError } from './proxy-header-error.js';
import { ProxyHeaderReader } from './proxy-header-reader.js';

/** Reads a header from chunks. What came behind it in the same chunk and in later ones is the rest. */
function read(
  chunks: readonly Uint8Array[],
  versions: readonly (1 | 2)[] = [1, 2],
): { header: ProxyHeader; rest: Buffer } {
  const reader = new ProxyHeaderReader(versions);
  for (const [i, chunk] of chunks.entries()) {
    const result = reader.read(Buffer.from(chunk));
    if (result === 'more') continue;
    return { header: result.header, rest: Buffer.concat([result.rest, ...chunks.slice(i + 1)]) };
  }
  throw new Error('the header is not complete');
}

const headerOf = (bytes: Uint8Array, versions?: readonly (1 | 2)[]) => read([bytes], versions).header;

/** How many bytes have to come, one by one, until they are refused, and with what message. */
function refusal(
  bytes: Uint8Array,
  versions: readonly (1 | 2)[] = [1, 2],
): { after: number; message: string } | undefined {
  const reader = new ProxyHeaderReader(versions);
  for (let i = 0; i < bytes.length; i++) {
    try {
      if (reader.read(Buffer.from(bytes.subarray(i, i + 1))) !== 'more') return undefined;
    } catch (error) {
      expect(error).toBeInstanceOf(ProxyHeaderError);
      return { after: i + 1, message: (error as Error).message };
    }
  }
  return undefined;
}

const text = (line: string) => Buffer.from(line, 'latin1');
const hex = (digits: string) => Buffer.from(digits.replaceAll(/\s/g, ''), 'hex');

const SIGNATURE = '0d0a0d0a 000d0a51 5549540a';
const ENDS_IPV4 = 'cb007107 c6336401 c822 01bb';
const ENDS_IPV6 = '20010db8000000000000000000000007 20010db80000000000000000000000ff c822 01bb';
const unixPath = (path: string) => Buffer.concat([Buffer.from(path)], 108).toString('hex');

/** A header of version 2 from its version and command, its family and transport, and what follows its length. */
function binary(versionAndCommand: string, familyAndTransport: string, block = ''): Buffer {
  const bytes = hex(block);
  const length = bytes.length.toString(16).padStart(4, '0');
  return Buffer.concat([hex(SIGNATURE + versionAndCommand + familyAndTransport + length), bytes]);
}

/** The same with a checksum behind it. */
function checked(versionAndCommand: string, familyAndTransport: string, block = ''): Buffer {
  const header = binary(versionAndCommand, familyAndTransport, `${block} 03 0004 00000000`);
  header.writeUInt32BE(crc32c(header), header.length - 4);
  return header;
}

const source = { address: '203.0.113.7', port: 51_234, family: 'IPv4' };
const destination = { address: '198.51.100.1', port: 443, family: 'IPv4' };
const nothing = {
  alpn: undefined,
  authority: undefined,
  uniqueId: undefined,
  ssl: undefined,
  networkNamespace: undefined,
  tlvs: [],
};

describe('version 1', () => {
  it('reads the example of the specification, and leaves the request behind it alone', () => {
    const request = 'GET / HTTP/1.1\r\nHost: 192.168.0.11\r\n\r\n';
    expect(read([text(`PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n${request}`)])).toEqual({
      header: {
        version: 1,
        command: 'proxy',
        transport: 'tcp',
        source: { address: '192.168.0.1', port: 56_324, family: 'IPv4' },
        destination: { address: '192.168.0.11', port: 443, family: 'IPv4' },
        ...nothing,
      },
      rest: text(request),
    });
  });

  it('reads IPv6 addresses, and writes them as Node.js does', () => {
    expect(headerOf(text('PROXY TCP6 2001:DB8:0:0::7 2001:db8::ff 51234 443\r\n'))).toMatchObject({
      transport: 'tcp',
      source: { address: '2001:db8::7', port: 51_234, family: 'IPv6' },
      destination: { address: '2001:db8::ff', port: 443, family: 'IPv6' },
    });
  });

  it.each(['::ffff:203.0.113.7', '::ffff:cb00:7107', '0:0:0:0:0:FFFF:203.0.113.7'])(
    'takes %s for the IPv4 address it is',
    (mapped) => {
      expect(headerOf(text(`PROXY TCP6 ${mapped} ::ffff:198.51.100.1 51234 443\r\n`))).toMatchObject({
        source,
        destination,
      });
    },
  );

  it.each([
    'PROXY UNKNOWN\r\n',
    'PROXY UNKNOWN \r\n',
    'PROXY UNKNOWN 1.2.3.4 what is this?\r\n',
    `PROXY UNKNOWN ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`,
  ])('ignores what an unknown connection has behind it: %j', (line) => {
    expect(read([text(`${line}rest`)])).toEqual({
      header: {
        version: 1,
        command: 'proxy',
        transport: 'unspecified',
        source: undefined,
        destination: undefined,
        ...nothing,
      },
      rest: text('rest'),
    });
  });

  it('reads the longest lines and the largest and smallest ports', () => {
    const ipv4 = '255.255.255.255';
    const ipv6 = `${'fff0:'.repeat(7)}fff0`;
    expect(headerOf(text(`PROXY TCP4 ${ipv4} ${ipv4} 65535 65535\r\n`)).source).toMatchObject({
      address: ipv4,
      port: 65_535,
    });
    expect(headerOf(text(`PROXY TCP6 ${ipv6} ${ipv6} 65535 0\r\n`)).destination).toMatchObject({
      address: ipv6,
      port: 0,
    });
  });

  it.each([
    'PROXY TCP4 203.0.113.7 198.51.100.1 51234 443\r\n',
    'PROXY TCP6 2001:db8::7 ::ffff:198.51.100.1 51234 443\r\n',
    'PROXY UNKNOWN\r\n',
    'PROXY UNKNOWN and more\r\n',
  ])('reads %j wherever it is cut', (line) => {
    const rest = text('\r\nhello\n');
    const bytes = Buffer.concat([text(line), rest]);
    const header = headerOf(text(line));
    for (const chunks of everyCut(bytes)) expect(read(chunks)).toEqual({ header, rest });
  });

  it.each([
    // What it is, after how many bytes it is refused, and why.
    ['GET / HTTP/1.1\r\n', 1, "expected a PROXY header, received 'G'"],
    ['POST / HTTP/1.1\r\n', 2, "expected a PROXY header, received 'PO'"],
    ['PROXYTCP4 ', 6, "expected a PROXY header, received 'PROXYT'"],
    ['PROXY\r\n', 6, 'it ends too early'],
    ['PROXY  TCP4 ', 7, 'its protocol is not TCP4, TCP6 or UNKNOWN'],
    ['PROXY TCP5 ', 10, "its protocol is not TCP4, TCP6 or UNKNOWN: 'TCP5'"],
    ['PROXY tcp4 ', 7, "its protocol is not TCP4, TCP6 or UNKNOWN: 't'"],
    ['PROXY UNKNOWNS\r\n', 14, 'its protocol is not TCP4, TCP6 or UNKNOWN'],
    ['PROXY TCP4\r\n', 11, 'it ends too early'],
    ['PROXY TCP4  1.2.3.4 ', 12, "its source is no IPv4 address: ''"],
    ['PROXY TCP4 1.2.3 ', 17, "its source is no IPv4 address: '1.2.3'"],
    ['PROXY TCP4 1.2.3.4.5 ', 19, 'its source is no IPv4 address'],
    ['PROXY TCP4 1.2.3.256 ', 21, 'its source is no IPv4 address'],
    ['PROXY TCP4 01.2.3.4 ', 20, 'its source is no IPv4 address'],
    ['PROXY TCP4 ::1 ', 12, 'its source is no IPv4 address'],
    ['PROXY TCP4 1.2.3.4\t', 19, "its source is no IPv4 address: '1.2.3.4\\x09'"],
    ['PROXY TCP4 1.2.3.4 5.6.7 ', 25, 'its destination is no IPv4 address'],
    ['PROXY TCP6 1.2.3.4 ', 19, 'its source is no IPv6 address'],
    ['PROXY TCP6 1::2::3 ', 19, 'its source is no IPv6 address'],
    ['PROXY TCP6 fe80::1%eth0 ', 19, 'its source is no IPv6 address'],
    ['PROXY TCP6 [::1] ', 12, 'its source is no IPv6 address'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n', 28, "its source port is no number from 0 to 65535: '-'"],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n', 28, 'its source port is no number'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n', 29, 'its source port is no number'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n', 32, 'its source port is no number'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 123456 2\r\n', 33, 'its source port is no number'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8  2\r\n', 28, 'its source port is no number'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 x\r\n', 30, 'its destination port is no number'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n', 30, "its destination port is no number from 0 to 65535: ''"],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n', 29, 'it ends too early'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n', 31, 'something follows the ports'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n', 31, 'something follows the ports'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 2\nhello', 31, 'its line has to end with CRLF'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rhello', 32, 'its line has to end with CRLF'],
    ['PROXY UNKNOWN\nGET / HTTP/1.1\r\n', 14, 'its line has to end with CRLF'],
    ['PROXY UNKNOWN one\rtwo\r\n', 19, 'its line has to end with CRLF'],
    [`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`, 106, 'it has no CRLF within the 107 bytes'],
  ])('refuses %j after %i bytes', (line, after, message) => {
    const refused = refusal(text(line));
    expect(refused?.after).toBe(after);
    expect(refused?.message).toContain(message);
    // What comes at once is refused at once.
    expect(() => headerOf(text(line))).toThrow(ProxyHeaderError);
  });

  it('counts the bytes that are not ASCII as what they are', () => {
    expect(refusal(Buffer.from('PROXY TCP4 1.2.3.4é '))?.message).toContain("'1.2.3.4\\xc3'");
  });
});

describe('version 2', () => {
  it('reads IPv4 addresses, and leaves the TLS handshake behind them alone', () => {
    const hello = hex('16 03 01 00 05');
    expect(read([Buffer.concat([binary('21', '11', ENDS_IPV4), hello])])).toEqual({
      header: { version: 2, command: 'proxy', transport: 'tcp', source, destination, ...nothing },
      rest: hello,
    });
  });

  it('reads IPv6 addresses', () => {
    expect(headerOf(binary('21', '21', ENDS_IPV6))).toMatchObject({
      transport: 'tcp',
      source: { address: '2001:db8::7', port: 51_234, family: 'IPv6' },
      destination: { address: '2001:db8::ff', port: 443, family: 'IPv6' },
    });
  });

  it('takes mapped addresses for the IPv4 addresses they are', () => {
    const mapped = '00000000000000000000ffff';
    const ends = `${mapped} cb007107 ${mapped} c6336401 c822 01bb`;
    expect(headerOf(binary('21', '21', ends))).toMatchObject({ source, destination });
  });

  it('reads the paths of Unix sockets, up to their whole length, and the names of abstract ones', () => {
    const longest = `/${'x'.repeat(107)}`;
    const between = (from: string, to: string) => headerOf(binary('21', '31', unixPath(from) + unixPath(to)));
    expect(between('/run/client.sock', longest)).toMatchObject({
      transport: 'tcp',
      source: { address: '/run/client.sock', port: 0, family: 'unix' },
      destination: { address: longest, port: 0, family: 'unix' },
    });
    expect(between('', '\0abstract')).toMatchObject({
      source: { address: '', port: 0, family: 'unix' },
      destination: { address: '\0abstract', port: 0, family: 'unix' },
    });
  });

  it.each([
    ['12', ENDS_IPV4],
    ['22', ENDS_IPV6],
    ['32', unixPath('/a') + unixPath('/b')],
  ])('says that family and transport 0x%s are datagrams', (family, ends) => {
    const header = headerOf(binary('21', family, ends));
    expect(header.transport).toBe('udp');
    expect(header.source).toBeDefined();
  });

  it.each([
    ['no address', '00', ''],
    ['an address of unspecified family', '01', ENDS_IPV4],
    ['an address of unspecified transport', '10', ENDS_IPV4],
    ['less than an address of unspecified transport', '10', 'cb007107 c6336401'],
  ])('has no ends where there is %s', (_, family, block) => {
    expect(read([Buffer.concat([binary('21', family, block), text('rest')])])).toEqual({
      header: {
        version: 2,
        command: 'proxy',
        transport: 'unspecified',
        source: undefined,
        destination: undefined,
        ...nothing,
      },
      rest: text('rest'),
    });
  });

  it.each([
    ['nothing', '00', ''],
    ['addresses', '11', ENDS_IPV4],
    ['less than its addresses', '21', ENDS_IPV4],
    ['addresses of an unknown family', 'ff', ENDS_IPV4],
    ['something that is cut off', '00', '05 00ff 00'],
    ['fields that cannot be', '00', '20 0001 00'],
  ])('accepts a local connection that carries %s, which it skips', (_, family, block) => {
    expect(read([Buffer.concat([binary('20', family, block), text('rest')])])).toEqual({
      header: {
        version: 2,
        command: 'local',
        transport: 'unspecified',
        source: undefined,
        destination: undefined,
        ...nothing,
      },
      rest: text('rest'),
    });
  });

  it('keeps the fields of a local and of an unspecified connection, if they are whole', () => {
    for (const header of [
      headerOf(binary('20', '00', '05 0002 4142')),
      headerOf(binary('20', '11', `${ENDS_IPV4} 05 0002 4142`)),
      headerOf(binary('21', '00', '05 0002 4142')),
    ]) {
      expect(header).toMatchObject({ source: undefined, uniqueId: text('AB'), tlvs: [{ type: 5, value: text('AB') }] });
    }
  });

  it.each([
    ['the first bytes', `${SIGNATURE.slice(0, 8)} 01`, 5, 'expected a PROXY header'],
    ['the signature', '0d0a0d0a 000d0a51 55495400', 12, 'expected a PROXY header'],
    ['version 1 in binary', `${SIGNATURE} 11`, 13, 'its version is 1'],
    ['version 3', `${SIGNATURE} 31`, 13, 'its version is 3'],
    ['command 2', `${SIGNATURE} 22`, 13, 'its command is 2, neither LOCAL nor PROXY'],
    ['family 4', `${SIGNATURE} 21 41`, 14, 'its address family is 4, which is none'],
    ['transport 3', `${SIGNATURE} 21 13`, 14, 'its transport protocol is 3, which is none'],
    [
      '11 bytes for IPv4',
      `${SIGNATURE} 21 11 000b`,
      16,
      'it has 11 bytes for its addresses and fields; the addresses alone take 12',
    ],
    ['35 bytes for IPv6', `${SIGNATURE} 21 22 0023`, 16, 'the addresses alone take 36'],
    ['215 bytes for Unix sockets', `${SIGNATURE} 21 31 00d7`, 16, 'the addresses alone take 216'],
    ['more than 16 KiB', `${SIGNATURE} 21 11 3ff1`, 16, 'it has 16385 bytes; 16384 are allowed'],
    ['64 KiB of a local connection', `${SIGNATURE} 20 00 ffff`, 16, 'it has 65551 bytes; 16384 are allowed'],
  ])('refuses %s at the byte that shows it', (_, bytes, after, message) => {
    const refused = refusal(hex(bytes));
    expect(refused?.after).toBe(after);
    expect(refused?.message).toContain(message);
  });

  it.each([
    ['the header of a field that is cut off', '05 00', 'cut off'],
    ['a field that is longer than the rest', '05 0003 4142', 'cut off'],
    ['a unique ID of 129 bytes', `05 0081 ${'00'.repeat(129)}`, 'its unique ID has 129 bytes; 128 are allowed'],
    ['a checksum of 3 bytes', '03 0003 000000', 'its checksum does not have 4 bytes'],
    ['two checksums', '03 0004 00000000 03 0004 00000000', 'it has more than one checksum'],
    ['too little about TLS', '20 0004 01000000', 'its field about TLS is too short'],
    ['a field about TLS that is cut off inside', '20 0008 01 00000000 210001', 'cut off'],
    ['a wrong checksum', '03 0004 00000000', 'its checksum is wrong'],
  ])('refuses %s', (_, fields, message) => {
    expect(() => headerOf(binary('21', '11', `${ENDS_IPV4} ${fields}`))).toThrow(message);
  });

  it('checks the checksum of all of the header, and nothing behind it', () => {
    const header = checked('21', '11', `${ENDS_IPV4} 04 0001 00`);
    expect(read([Buffer.concat([header, text('rest')])])).toMatchObject({ header: { source }, rest: text('rest') });
    // The bytes that name the version, the family and lengths are refused for themselves.
    for (const index of [16, 20, 27, 31, header.length - 1]) {
      const damaged = Buffer.from(header);
      damaged.writeUInt8(damaged.readUInt8(index) ^ 0x40, index);
      expect(() => headerOf(damaged)).toThrow('its checksum is wrong');
    }
  });

  it('checks the checksum wherever it stands', () => {
    const header = binary('21', '11', `${ENDS_IPV4} 03 0004 00000000 05 0002 4142`);
    header.writeUInt32BE(crc32c(header), 16 + 12 + 3);
    expect(headerOf(header).uniqueId).toEqual(text('AB'));
  });

  it('refuses a local connection whose checksum is wrong', () => {
    expect(headerOf(checked('20', '00')).command).toBe('local');
    expect(() => headerOf(binary('20', '00', '03 0004 00000001'))).toThrow('its checksum is wrong');
  });

  it('reads all fields it knows, keeps all of them in order, and takes the first of two', () => {
    const fields = [
      '04 0002 0000',
      '01 0002 6832',
      '02 000b 6578c3a46d706c652e6465',
      '05 0003 000102',
      '30 0004 626c7565',
      'ea 0003 014142',
      '02 0001 78',
      'ff 0000',
    ];
    expect(headerOf(binary('21', '11', ENDS_IPV4 + fields.join('')))).toEqual({
      version: 2,
      command: 'proxy',
      transport: 'tcp',
      source,
      destination,
      alpn: 'h2',
      authority: 'exämple.de',
      uniqueId: hex('000102'),
      ssl: undefined,
      networkNamespace: 'blue',
      tlvs: [
        { type: 0x04, value: hex('0000') },
        { type: 0x01, value: text('h2') },
        { type: 0x02, value: Buffer.from('exämple.de') },
        { type: 0x05, value: hex('000102') },
        { type: 0x30, value: text('blue') },
        { type: 0xea, value: hex('014142') },
        { type: 0x02, value: text('x') },
        { type: 0xff, value: hex('') },
      ],
    });
  });

  it('reads all that is said about TLS', () => {
    const about = [
      '07 00000000',
      '21 0007 544c5376312e33',
      '22 0002 c3a4',
      '23 0003 414553',
      '24 0003 525341',
      '25 0003 323034',
      '26 0003 703235',
      '27 0003 707373',
      '28 0002 3082',
      '7f 0001 00',
    ].join('');
    const length = hex(about).length.toString(16).padStart(4, '0');
    expect(headerOf(binary('21', '11', `${ENDS_IPV4} 20 ${length} ${about}`)).ssl).toEqual({
      clientTls: true,
      certificateConnection: true,
      certificateSession: true,
      verified: true,
      version: 'TLSv1.3',
      commonName: 'ä',
      cipher: 'AES',
      signatureAlgorithm: 'RSA',
      keyAlgorithm: '204',
      group: 'p25',
      signatureScheme: 'pss',
      certificate: hex('3082'),
    });
  });

  it.each([
    // Flags, the number for the verification, whether the client is verified.
    ['00', '00000000', false],
    ['01', '00000000', false],
    ['01', '00000001', false],
    ['03', '00000000', true],
    ['05', '00000000', true],
    ['07', '00000012', false],
  ])('with flags %s and verification %s, a certificate that was verified is %s', (flags, verification, verified) => {
    const { ssl } = headerOf(binary('21', '11', `${ENDS_IPV4} 20 0005 ${flags} ${verification}`));
    expect(ssl).toMatchObject({
      clientTls: flags !== '00',
      certificateConnection: ['03', '07'].includes(flags),
      certificateSession: ['05', '07'].includes(flags),
      verified,
    });
  });

  it.each([
    ['IPv4', checked('21', '11', `${ENDS_IPV4} 01 0002 6832 05 0002 4142 20 000c 01 00000001 21 0004 544c5376`)],
    ['IPv6', checked('21', '21', `${ENDS_IPV6} 01 0002 6832`)],
    ['Unix', checked('21', '31', `${unixPath('/a')} ${unixPath('/b')} ea 0002 4142`)],
    ['local', checked('20', '00', '05 0002 4142')],
    ['no', binary('21', '00')],
  ])('reads a header with %s addresses wherever it is cut', (_, header) => {
    const rest = text('PROXY hello\r\n');
    const whole = headerOf(header);
    for (const chunks of everyCut(Buffer.concat([header, rest]))) expect(read(chunks)).toEqual({ header: whole, rest });
  });

  it('reads the longest header there may be, in one piece and byte by byte', () => {
    const value = 16_384 - 16 - 12 - 3;
    const header = binary('21', '11', `${ENDS_IPV4} ea ${value.toString(16)} ${'61'.repeat(value)}`);
    expect(header.length).toBe(16_384);
    const whole = headerOf(header);
    expect(whole.tlvs[0]?.value.length).toBe(value);
    const bytewise = Array.from(header, (byte) => Uint8Array.of(byte));
    expect(read([...bytewise, text('rest')])).toEqual({ header: whole, rest: text('rest') });
  });

  it('keeps nothing of the memory that the header came in', () => {
    const chunk = Buffer.alloc(65_536);
    const header = binary('21', '11', `${ENDS_IPV4} 05 0002 4142 ea 0001 43`);
    header.copy(chunk);
    const found = new ProxyHeaderReader([2]).read(chunk);
    if (found === 'more') throw new Error('the header is not complete');
    chunk.fill(0);
    expect(found.header.tlvs).toEqual([
      { type: 5, value: text('AB') },
      { type: 0xea, value: text('C') },
    ]);
    expect(found.header.uniqueId?.buffer.byteLength).toBe(9);
    // The rest is the chunk's own, without a copy.
    expect(found.rest.buffer).toBe(chunk.buffer);
    expect(found.rest.length).toBe(65_536 - header.length);
  });
});

describe('what HAProxy 2.6 sends', () => {
  it.each([
    ['PROXY TCP4 127.0.0.1 127.0.0.1 40290 7101\r\n', { address: '127.0.0.1', port: 40_290, family: 'IPv4' }],
    ['PROXY TCP6 ::1 ::1 35698 7101\r\n', { address: '::1', port: 35_698, family: 'IPv6' }],
    [
      'PROXY TCP6 ::ffff:127.0.0.1 ::ffff:127.0.0.1 37112 7111\r\n',
      { address: '127.0.0.1', port: 37_112, family: 'IPv4' },
    ],
    ['PROXY UNKNOWN\r\n', undefined],
  ])('with send-proxy: %j', (line, from) => {
    expect(headerOf(text(line)).source).toEqual(from);
  });

  it('with send-proxy-v2, a checksum and a unique ID', () => {
    const sent =
      '0d0a0d0a000d0a515549540a2111001d7f0000017f0000018bcc1bbe0300046210221705000769642d3132333468656c6c6f0a';
    expect(read([hex(sent)])).toEqual({
      header: {
        version: 2,
        command: 'proxy',
        transport: 'tcp',
        source: { address: '127.0.0.1', port: 35_788, family: 'IPv4' },
        destination: { address: '127.0.0.1', port: 7_102, family: 'IPv4' },
        ...nothing,
        uniqueId: text('id-1234'),
        tlvs: [
          { type: 0x03, value: hex('62102217') },
          { type: 0x05, value: text('id-1234') },
        ],
      },
      rest: text('hello\n'),
    });
  });

  it('for a client on IPv6', () => {
    const sent =
      '0d0a0d0a000d0a515549540a212100350000000000000000000000000000000100000000000000000000000000000001b6141bbe030004ca27202d05000769642d31323334';
    expect(headerOf(hex(sent))).toMatchObject({ source: { address: '::1', port: 46_612 }, uniqueId: text('id-1234') });
  });

  it('for a client on IPv4 of a listener for both', () => {
    const sent =
      '0d0a0d0a000d0a515549540a2121003500000000000000000000ffff7f00000100000000000000000000ffff7f000001d80e1bc8030004f1f7d5a705000769642d31323334';
    expect(headerOf(hex(sent))).toMatchObject({
      source: { address: '127.0.0.1', port: 55_310, family: 'IPv4' },
      destination: { address: '127.0.0.1', port: 7_112, family: 'IPv4' },
    });
  });

  it('for a client on a Unix socket: a local connection with its unique ID', () => {
    const sent = '0d0a0d0a000d0a515549540a200000110300045742e06205000769642d31323334';
    expect(headerOf(hex(sent))).toMatchObject({ command: 'local', source: undefined, uniqueId: text('id-1234') });
  });

  it('for a health check', () => {
    expect(headerOf(hex('0d0a0d0a000d0a515549540a20000007030004a9b87e8f'))).toMatchObject({ command: 'local' });
  });

  it('for a TLS client with a certificate', () => {
    const sent =
      '0d0a0d0a000d0a515549540a211100877f0000017f0000019b521bbf0300049ff7c22f010008687474702f312e310200096c6f63616c686f737405000769642d313233342000500700000000210007544c5376312e3322000e636c69656e742e6578616d706c652500075253413230343824000a5253412d534841323536230016544c535f4145535f3235365f47434d5f534841333834';
    expect(headerOf(hex(sent))).toMatchObject({
      alpn: 'http/1.1',
      authority: 'localhost',
      uniqueId: text('id-1234'),
      ssl: {
        clientTls: true,
        certificateConnection: true,
        certificateSession: true,
        verified: true,
        version: 'TLSv1.3',
        commonName: 'client.example',
        cipher: 'TLS_AES_256_GCM_SHA384',
        signatureAlgorithm: 'RSA-SHA256',
        keyAlgorithm: 'RSA2048',
        group: undefined,
      },
    });
  });

  it('for a TLS client with a certificate that it does not trust', () => {
    const sent =
      '0d0a0d0a000d0a515549540a2111007b7f0000017f0000019b601bbf03000466d515140200096c6f63616c686f737405000769642d3132333420004f0700000012210007544c5376312e3322000d6f746865722e6578616d706c652500075253413230343824000a5253412d534841323536230016544c535f4145535f3235365f47434d5f534841333834';
    expect(headerOf(hex(sent)).ssl).toMatchObject({
      commonName: 'other.example',
      certificateConnection: true,
      verified: false,
    });
  });

  it('for a TLS client without a certificate, whose verification it calls zero', () => {
    const sent = '0d0a0d0a000d0a515549540a2111001e7f0000017f000001ba6c1bc020000f0100000000210007544c5376312e33';
    expect(headerOf(hex(sent)).ssl).toMatchObject({ clientTls: true, version: 'TLSv1.3', verified: false });
  });
});

describe('ProxyHeaderReader', () => {
  it('says who may have sent what is no header, and shows it so that no log is confused', () => {
    const error = (bytes: Uint8Array) => {
      try {
        return headerOf(bytes);
      } catch (thrown) {
        return thrown as Error;
      }
    };
    expect(error(text('GET / HTTP/1.1\r\n'))).toEqual(
      new ProxyHeaderError(
        "expected a PROXY header, received 'GET / HTTP/1.1\\r\\n': send-proxy is not set at the balancer, or the client did not come through it",
      ),
    );
    expect(error(text("it's a long line of text"))).toHaveProperty(
      'message',
      expect.stringContaining("received 'it\\x27s a long line…'"),
    );
    expect(error(hex('16030100050100'))).toEqual(
      new ProxyHeaderError(
        "expected a PROXY header, received '\\x16\\x03\\x01\\x00\\x05\\x01\\x00': a client that speaks TLS did not come through the balancer, or send-proxy is not set there",
      ),
    );
    expect(error(text('x'))).toBeInstanceOf(ReagentError);
    expect(error(text('x'))).toMatchObject({ code: 'ERR_REAGENT_PROXY_HEADER', name: 'ProxyHeaderError' });
  });

  it('refuses a version that is not accepted, and says how to get the other', () => {
    const line = text('PROXY UNKNOWN\r\n');
    expect(() => headerOf(line, [2])).toThrow(
      'expected a PROXY header of version 2, received one of version 1: set send-proxy-v2 at the balancer, or list 1 in proxyProtocol.versions',
    );
    expect(() => headerOf(binary('21', '00'), [1])).toThrow(
      'expected a PROXY header of version 1, received one of version 2: set send-proxy at the balancer, or list 2 in proxyProtocol.versions',
    );
    expect(headerOf(line, [1]).version).toBe(1);
    expect(headerOf(binary('21', '00'), [2]).version).toBe(2);
    // One byte is enough.
    expect(refusal(line, [2])?.after).toBe(1);
    expect(refusal(hex(SIGNATURE), [1])?.after).toBe(1);
  });

  it('waits for more where nothing has come yet', () => {
    const reader = new ProxyHeaderReader([1, 2]);
    expect(reader.read(Buffer.alloc(0))).toBe('more');
    expect(reader.received).toBe(0);
    expect(reader.ended()).toEqual(new ProxyHeaderError('the stream ended before a PROXY header'));
  });

  it('knows how much of a header had come when the stream ended', () => {
    const reader = new ProxyHeaderReader([1, 2]);
    reader.read(text('PROXY'));
    reader.read(text(' TC'));
    expect(reader.received).toBe(8);
    expect(reader.ended()).toEqual(
      new ProxyHeaderError("the stream ended inside the PROXY header, after 8 bytes of it: 'PROXY TC'"),
    );
  });
});
