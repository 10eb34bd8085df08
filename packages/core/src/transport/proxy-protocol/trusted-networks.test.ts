import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { networkProblem, PRIVATE_NETWORKS, TrustedNetworks } from './trusted-networks.js';

describe('TrustedNetworks', () => {
  it.each([
    ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255'], ['9.255.255.255', '11.0.0.0', '::a00:1']],
    ['10.1.2.3', ['10.1.2.3'], ['10.1.2.2', '10.1.2.4']],
    ['192.0.2.128/25', ['192.0.2.128', '192.0.2.255'], ['192.0.2.127', '192.0.3.0']],
    ['192.0.2.200/25', ['192.0.2.128'], ['192.0.2.127']],
    ['172.16.0.0/12', ['172.16.0.1', '172.31.255.255'], ['172.15.255.255', '172.32.0.0']],
    ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255'], ['::1']],
    ['2001:db8::/33', ['2001:db8::1', '2001:db8:7fff::'], ['2001:db8:8000::', '2001:db7::']],
    ['::1', ['::1', '0:0:0:0:0:0:0:1'], ['::2', '0.0.0.1']],
    ['::/0', ['::', 'ffff::'], ['192.0.2.1', '::ffff:192.0.2.1']],
  ])('%s has %j in it and not %j', (network, inside, outside) => {
    const networks = new TrustedNetworks([network]);
    expect(inside.filter((address) => !networks.includes(address))).toEqual([]);
    expect(outside.filter((address) => networks.includes(address))).toEqual([]);
  });

  it.each(['10.0.0.0/8', '::ffff:10.0.0.0/104', '::ffff:a00:0/104'])(
    'takes an IPv4 address and its mapped form for the same, with %s',
    (network) => {
      const networks = new TrustedNetworks([network]);
      expect(networks.includes('10.1.2.3')).toBe(true);
      expect(networks.includes('::ffff:10.1.2.3')).toBe(true);
      expect(networks.includes('::FFFF:a01:203')).toBe(true);
      expect(networks.includes('::ffff:11.1.2.3')).toBe(false);
    },
  );

  it('knows a link-local address with the zone that a socket gives it', () => {
    expect(new TrustedNetworks(['fe80::/10']).includes('fe80::1%eth0')).toBe(true);
  });

  it('trusts whoever is in one of several networks, and nobody where there is none', () => {
    const networks = new TrustedNetworks(['192.0.2.1', '2001:db8::/32']);
    expect(['192.0.2.1', '2001:db8::1', '192.0.2.2'].map((address) => networks.includes(address))).toEqual([
      true,
      true,
      false,
    ]);
    expect(new TrustedNetworks([]).includes('127.0.0.1')).toBe(false);
  });

  it('trusts nobody without an address', () => {
    const networks = new TrustedNetworks(['0.0.0.0/0', '::/0']);
    expect(networks.includes('')).toBe(false);
    expect(networks.includes('/run/app.sock')).toBe(false);
  });

  it('refuses what is no network', () => {
    expect(() => new TrustedNetworks(['10.0.0.0/8', 'localhost'])).toThrow(
      new RangeError('"localhost" is a name, and names are not looked up; write its address'),
    );
  });

  it('agrees with the BlockList of Node.js', () => {
    const near = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)).map(([a, b, c]) => `10.${a}.${b}.${c}`);
    const near6 = fc.tuple(fc.nat(3), fc.nat(0xffff)).map(([a, b]) => `2001:db8:${a}::${b.toString(16)}`);
    const prefixed = (address: fc.Arbitrary<string>, most: number) => fc.tuple(address, fc.nat(most));
    fc.assert(
      fc.property(
        fc.array(fc.oneof(prefixed(near, 32), prefixed(near6, 128)), { minLength: 1, maxLength: 4 }),
        fc.oneof(near, near6),
        (entries, address) => {
          const family = (text: string) => (isIP(text) === 4 ? 'ipv4' : 'ipv6');
          const list = new BlockList();
          for (const [network, prefix] of entries) {
            // That of Node.js has IPv4 addresses in ::/0 too.
            fc.pre(family(network) === family(address) || prefix > 64);
            list.addSubnet(network, prefix, family(network));
          }
          const networks = new TrustedNetworks(entries.map((entry) => entry.join('/')));
          expect(networks.includes(address)).toBe(list.check(address, family(address)));
        },
      ),
    );
  });
});

describe('PRIVATE_NETWORKS', () => {
  const networks = new TrustedNetworks(PRIVATE_NETWORKS);

  it.each([
    '127.0.0.1',
    '::1',
    '10.1.2.3',
    '172.20.0.1',
    '192.168.1.1',
    '169.254.1.1',
    'fe80::1%eth0',
    'fd12::1',
    '::ffff:127.0.0.1',
  ])('has %s in it', (address) => {
    expect(networks.includes(address)).toBe(true);
  });

  it.each(['8.8.8.8', '100.64.0.1', '172.32.0.1', '192.169.0.1', '2001:db8::1', '::ffff:8.8.8.8', 'fec0::1', '::'])(
    'does not have %s in it',
    (address) => {
      expect(networks.includes(address)).toBe(false);
    },
  );
});

describe('networkProblem()', () => {
  it.each([
    '10.0.0.0/8',
    '10.1.2.3',
    '0.0.0.0/0',
    '::1',
    'fd00::/8',
    '::/0',
    '::ffff:0:0/96',
    '10.1.2.3/8',
    ...PRIVATE_NETWORKS,
  ])('has nothing to say about %s', (text) => {
    expect(networkProblem(text)).toBeUndefined();
  });

  it.each([
    ['10.0.0.0/33', '"10.0.0.0/33" has to have 0 to 32 bits behind its slash, not 33'],
    ['::1/129', '"::1/129" has to have 0 to 128 bits behind its slash, not 129'],
    ['::ffff:10.0.0.0/8', '"::ffff:10.0.0.0/8" has to have 96 to 128 bits behind its slash, not 8'],
    ['10.0.0', '"10.0.0" is no IPv4 address, which has four numbers from 0 to 255, such as "10.1.2.3"'],
    ['10.0.0/24', '"10.0.0/24" is no IPv4 address, which has four numbers from 0 to 255, such as "10.1.2.3"'],
    ['010.0.0.1', '"010.0.0.1" is no IPv4 address, which has four numbers from 0 to 255, such as "10.1.2.3"'],
    ['localhost', '"localhost" is a name, and names are not looked up; write its address'],
    ['lb.example.com', '"lb.example.com" is a name, and names are not looked up; write its address'],
    ['10.0.0.0/', '"10.0.0.0/" has no number of bits behind its slash, such as /32'],
    ['10.0.0.0/08', '"10.0.0.0/08" has no number of bits behind its slash, such as /32'],
    ['10.0.0.0/-1', '"10.0.0.0/-1" has no number of bits behind its slash, such as /32'],
    ['10.0.0.0/255.0.0.0', '"10.0.0.0/255.0.0.0" has a mask; write how many bits of it are set: 255.255.255.0 is /24'],
    ['fe80::1%eth0', '"fe80::1%eth0" has a zone; leave out %eth0'],
    ['', '"" has no address; write one such as "10.1.2.3" or a network such as "10.0.0.0/8"'],
    ['/8', '"/8" has no address; write one such as "10.1.2.3" or a network such as "10.0.0.0/8"'],
    ['*', '"*" is neither an address such as "10.1.2.3" nor a network such as "10.0.0.0/8" or "fd00::/8"'],
    [
      ' 10.0.0.1',
      '" 10.0.0.1" is neither an address such as "10.1.2.3" nor a network such as "10.0.0.0/8" or "fd00::/8"',
    ],
    ['[::1]', '"[::1]" is neither an address such as "10.1.2.3" nor a network such as "10.0.0.0/8" or "fd00::/8"'],
  ])('says what is wrong with %j', (text, problem) => {
    expect(networkProblem(text)).toBe(problem);
  });
});
