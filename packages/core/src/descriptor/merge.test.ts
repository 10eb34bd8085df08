import { describe, expect, test } from 'vitest';
import type { DescriptorInput } from './descriptor.js';
import { mergeDescriptors } from './merge.js';

describe('mergeDescriptors', () => {
  test('takes what the second says, and for the rest the first', () => {
    expect(mergeDescriptors({ port: 1, acceptors: 5 }, { acceptors: 6, name: 'x' })).toEqual({
      port: 1,
      acceptors: 6,
      name: 'x',
    });
  });

  test('merges options, timeouts and env field by field', () => {
    const base: DescriptorInput = {
      port: 1,
      options: { noDelay: false, keepAlive: false },
      timeouts: { idle: 5 },
      env: { a: 1, b: 1 },
    };
    const over: DescriptorInput = { options: { keepAlive: true }, timeouts: { send: false }, env: { b: 2 } };
    expect(mergeDescriptors(base, over)).toEqual({
      port: 1,
      options: { noDelay: false, keepAlive: true },
      timeouts: { idle: 5, send: false },
      env: { a: 1, b: 2 },
    });
  });

  test('replaces lists and other values whole', () => {
    const merged = mergeDescriptors(
      { alarms: [{ connections: 1, cooldown: 1 }], acceptRate: { perIp: 1, interval: 1, burst: 9 } },
      { alarms: [], acceptRate: { perIp: 2, interval: 2 } },
    );
    expect(merged).toEqual({ alarms: [], acceptRate: { perIp: 2, interval: 2 } });
  });

  test('replaces secure and proxyProtocol whole, so that a certificate never gets the key of another', () => {
    const base: DescriptorInput = {
      secure: { cert: 'a.crt', key: 'a.key', requestCert: true },
      proxyProtocol: { versions: [1], trust: ['10.0.0.0/8'] },
    };
    const over: DescriptorInput = { secure: { cert: 'b.crt', key: 'b.key' }, proxyProtocol: { versions: [2] } };
    expect(mergeDescriptors(base, over)).toEqual(over);
    expect(mergeDescriptors(base, { secure: false, proxyProtocol: true })).toEqual({
      secure: false,
      proxyProtocol: true,
    });
    expect(mergeDescriptors(base, { port: 0 })).toEqual({ ...base, port: 0 });
  });

  test.each([
    [{ path: '/x', mode: 0o600 }, { port: 0 }, { port: 0 }],
    [{ port: 1, host: '::1' }, { path: '/x' }, { path: '/x' }],
    [{ port: 1, host: '::1' }, { port: 2 }, { port: 2, host: '::1' }],
    [{ port: 1, host: '::1' }, { fd: 3 }, { fd: 3 }],
    [{ fd: 3 }, { path: '/x', mode: 0o600 }, { path: '/x', mode: 0o600 }],
    [{ port: 1 }, { host: '::1' }, { port: 1, host: '::1' }],
  ] satisfies [DescriptorInput, DescriptorInput, DescriptorInput][])(
    'a place to listen replaces the other with what goes with it: %j and %j give %j',
    (base, over, merged) => {
      expect(mergeDescriptors(base, over)).toEqual(merged);
    },
  );

  test('takes undefined as left out', () => {
    expect(
      mergeDescriptors({ path: '/x', timeouts: { idle: 5 } }, { port: undefined, timeouts: { idle: undefined } }),
    ).toEqual({
      path: '/x',
      timeouts: { idle: 5 },
    });
  });

  test('changes neither', () => {
    const base = { port: 1, options: { noDelay: false } };
    const over = { options: { keepAlive: false } };
    mergeDescriptors(base, over);
    expect([base, over]).toEqual([{ port: 1, options: { noDelay: false } }, { options: { keepAlive: false } }]);
  });

  test('keeps symbols of env', () => {
    const key = Symbol('key');
    expect(mergeDescriptors({ env: { [key]: 1 } }, { env: { a: 2 } }).env).toEqual({ [key]: 1, a: 2 });
  });

  test('passes on what is no descriptor, for the check to refuse it', () => {
    const promise = Promise.resolve({}) as DescriptorInput;
    expect(mergeDescriptors(promise, { port: 0 })).toBe(promise);
    expect(mergeDescriptors(8080 as DescriptorInput, {})).toBe(8080);
    expect(mergeDescriptors({ port: 1 }, 8080 as DescriptorInput)).toBe(8080);
  });
});
