import { SocketAddress } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressBytes, addressText, endpointOf, mappedBytes } from './ip-address.js';

const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString('hex'));

describe('addressBytes()', () => {
  it.each([
    ['192.0.2.1', 'c0000201'],
    ['255.255.255.255', 'ffffffff'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['1::', '00010000000000000000000000000000'],
    ['2001:DB8::a:0:b', '20010db8000000000000000a0000000b'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['64:ff9b::192.0.2.1', '0064ff9b0000000000000000c0000201'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
    ['fe80::1%eth0.100', 'fe800000000000000000000000000001'],
  ])('gives the bytes of %s', (text, bytes) => {
    expect(hex(addressBytes(text))).toBe(bytes);
  });

  it.each(['::ffff:192.0.2.1', '::FFFF:c000:201', '0:0:0:0:0:ffff:192.0.2.1'])('takes %s for IPv4', (text) => {
    expect(hex(addressBytes(text))).toBe('c0000201');
  });

  it.each(['', 'localhost', '1.2.3', '1.2.3.4.5', '01.2.3.4', '256.1.1.1', '::1::', '12345::', '/run/a.sock'])(
    'knows that %j is no address',
    (text) => {
      expect(addressBytes(text)).toBeUndefined();
    },
  );
});

describe('addressText()', () => {
  it.each([
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['00010000000000000000000000000000', '1::'],
    ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['20010db8000000010001000000000001', '2001:db8:0:1:1::1'],
    ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['00000000000000000000ffffc0000201', '192.0.2.1'],
    ['c0000201', '192.0.2.1'],
  ])('writes %s in its canonical form', (bytes, text) => {
    expect(addressText(Buffer.from(bytes, 'hex'))).toBe(text);
  });

  it('writes any address as Node.js does, and reads it back', () => {
    const group = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const bytes = Buffer.alloc(16);
        for (const [i, value] of groups.entries()) bytes.writeUInt16BE(value, 2 * i);
        const text = addressText(bytes);
        // Some that embed IPv4 without being mapped have dots there; they are not in use any more.
        fc.pre(groups.slice(0, 5).some((value) => value !== 0));
        expect(text).toBe(
          new SocketAddress({ address: groups.map((value) => value.toString(16)).join(':'), family: 'ipv6' }).address,
        );
        expect(addressBytes(text)).toEqual(Uint8Array.from(bytes));
      }),
    );
  });
});

describe('mappedBytes()', () => {
  it('gives an IPv4 address the form of IPv6, and leaves others as they are', () => {
    const mapped = mappedBytes(Uint8Array.of(192, 0, 2, 1));
    expect(hex(mapped)).toBe('00000000000000000000ffffc0000201');
    expect(mappedBytes(mapped)).toBe(mapped);
  });
});

describe('endpointOf()', () => {
  it('gives an address its family', () => {
    expect(endpointOf('192.0.2.1', 80)).toEqual({ address: '192.0.2.1', port: 80, family: 'IPv4' });
    expect(endpointOf('::', 80)).toEqual({ address: '::', port: 80, family: 'IPv6' });
  });
});
