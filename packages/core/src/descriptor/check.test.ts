import { describe, expect, test } from 'vitest';
import type { Problem } from '../errors.js';
import { PRIVATE_NETWORKS } from '../transport/proxy-protocol/trusted-networks.js';
import { checkDescriptor, checkTimeouts } from './check.js';
import type { Descriptor } from './descriptor.js';

function accepted(input: unknown): Descriptor {
  const checked = checkDescriptor('Echo', input);
  if ('problems' in checked)
    throw new Error(checked.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'));
  return checked.descriptor;
}

function refused(input: unknown): Problem[] {
  const checked = checkDescriptor('Echo', input);
  if ('descriptor' in checked) throw new Error('was accepted');
  return checked.problems;
}

/** The only message there is, and that it is about `path`. */
function refusal(path: string, input: object): string {
  const problems = refused({ port: 0, ...input });
  expect(problems.map((problem) => [problem.where, problem.path])).toEqual([['Echo', path]]);
  return problems[0]?.message ?? '';
}

const codec = { decoder: () => ({ decode: () => undefined }), encode: () => {} };

describe('a descriptor', () => {
  test('gets the documented defaults', () => {
    expect(accepted({ port: 8080 })).toEqual({
      name: 'Echo',
      port: 8080,
      path: undefined,
      fd: undefined,
      host: undefined,
      mode: undefined,
      secure: false,
      scope: 'singleton',
      acceptors: 100,
      maxConnections: Number.POSITIVE_INFINITY,
      maxConnectionsPerIp: Number.POSITIVE_INFINITY,
      acceptRate: undefined,
      maxWaiting: 1024,
      backlog: 1024,
      options: {
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 60_000,
        reusePort: false,
        ipv6Only: false,
        highWaterMark: 65_536,
      },
      codec: undefined,
      env: {},
      timeouts: {
        proxyHeader: 5_000,
        handshake: 5_000,
        idle: Number.POSITIVE_INFINITY,
        wait: Number.POSITIVE_INFINITY,
        send: 30_000,
        shutdown: 15_000,
      },
      proxyProtocol: false,
      alarms: [],
      profile: false,
    } satisfies Descriptor);
  });

  test('keeps what it is given', () => {
    const given = {
      name: 'echo',
      path: '/run/echo.sock',
      mode: 0o660,
      scope: 'connection',
      acceptors: 1,
      maxConnections: 10,
      maxConnectionsPerIp: 2,
      acceptRate: { perIp: 5, interval: 1000, burst: 7 },
      maxWaiting: 0,
      backlog: 1,
      options: {
        noDelay: false,
        keepAlive: false,
        keepAliveInitialDelay: 0,
        reusePort: true,
        ipv6Only: true,
        highWaterMark: 0,
      },
      codec,
      env: { motd: 'hello' },
      timeouts: { proxyHeader: 1, handshake: 2, idle: 3, wait: 4, send: 5, shutdown: 6 },
      secure: { cert: 'server.crt', key: Buffer.from('key'), alpn: ['h2'], watch: true },
      proxyProtocol: { versions: [2], trust: ['10.0.0.0/8'] },
      alarms: [{ connections: 10, cooldown: 0 }],
    } as const;
    expect(accepted(given)).toMatchObject(given);
    expect(accepted({ fd: 3 }).fd).toBe(3);
    expect(accepted({ port: 0, host: '::1' }).host).toBe('::1');
  });

  test('fills in what a group leaves out', () => {
    expect(accepted({ port: 0, options: { noDelay: false } }).options).toMatchObject({
      noDelay: false,
      keepAlive: true,
    });
    expect(accepted({ port: 0, timeouts: { idle: 5 } }).timeouts).toMatchObject({ idle: 5, send: 30_000 });
    expect(accepted({ port: 0, acceptRate: { perIp: 5, interval: 1000 } }).acceptRate?.burst).toBe(5);
  });

  test('takes undefined as left out', () => {
    const fields = Object.keys(accepted({ port: 0 })).filter((field) => field !== 'port');
    const input = Object.fromEntries(fields.map((field) => [field, undefined]));
    expect(accepted({ ...input, port: 0 })).toEqual(accepted({ port: 0 }));
    expect(accepted({ port: 0, timeouts: { idle: undefined }, options: { noDelay: undefined } })).toEqual(
      accepted({ port: 0 }),
    );
  });

  test('takes false and Infinity for a time limit that is off', () => {
    const off = accepted({
      port: 0,
      timeouts: { send: false, handshake: Number.POSITIVE_INFINITY },
      acceptRate: false,
    });
    expect(off.timeouts).toMatchObject({ send: Number.POSITIVE_INFINITY, handshake: Number.POSITIVE_INFINITY });
    expect(off.acceptRate).toBeUndefined();
  });

  test('takes the TLS options of the application, or none', () => {
    expect(accepted({ port: 0, secure: true }).secure).toBe(true);
    expect(accepted({ port: 0, secure: false }).secure).toBe(false);
  });

  test('believes the PROXY headers of private networks where it is not told of others', () => {
    const all = { versions: [1, 2], trust: PRIVATE_NETWORKS };
    expect(accepted({ port: 0, proxyProtocol: true }).proxyProtocol).toEqual(all);
    expect(accepted({ port: 0, proxyProtocol: {} }).proxyProtocol).toEqual(all);
    expect(accepted({ port: 0, proxyProtocol: { versions: [1] } }).proxyProtocol).toEqual({ ...all, versions: [1] });
    expect(accepted({ port: 0, proxyProtocol: false }).proxyProtocol).toBe(false);
  });

  test('has an env of its own, symbols included', () => {
    const key = Symbol('key');
    const env = { a: 1, [key]: 2 };
    const own = accepted({ port: 0, env }).env;
    expect(own).toEqual(env);
    expect(own).not.toBe(env);
  });

  test('keeps the codec as the object it is', () => {
    expect(accepted({ port: 0, codec }).codec).toBe(codec);
  });
});

describe('where to listen', () => {
  test('has to be said once', () => {
    expect(refused({})).toEqual([
      {
        where: 'Echo',
        path: '',
        message: expect.stringMatching(/^expected one of port, path and fd, received none.*port: 0$/),
      },
    ]);
    expect(refusal('', { path: '/x', fd: 3 })).toBe(
      'expected one of port, path and fd, received port and path and fd; keep one and remove the rest',
    );
  });

  test('host goes with a port only, mode with a path only', () => {
    expect(refusal('host', { port: undefined, path: '/x', host: '::1' })).toContain(
      'goes with port only, and this listens on a path',
    );
    expect(refusal('mode', { mode: 0o600 })).toContain('goes with path only, and this listens on a port');
    expect(refusal('mode', { port: undefined, fd: 3, mode: 0o600 })).toContain('listens on a fd');
    expect(refusal('mode', { port: undefined, path: '\0chat', mode: 0o600 })).toContain('abstract socket has none');
  });
});

describe('a value that is wrong is refused with what was expected and what was received', () => {
  test.each([
    [{ port: -1 }, 'port', 'expected an integer from 0 to 65535, received -1'],
    [{ port: 65_536 }, 'port', 'expected an integer from 0 to 65535, received 65536'],
    [{ port: 1.5 }, 'port', 'expected an integer from 0 to 65535, received 1.5'],
    [{ port: Number.NaN }, 'port', 'expected an integer from 0 to 65535, received NaN'],
    [{ port: null }, 'port', 'expected an integer from 0 to 65535, received null'],
    [
      { port: '8080' },
      'port',
      "expected an integer from 0 to 65535, received '8080'; turn it into a number with Number()",
    ],
    [{ name: '' }, 'name', "expected a name that is not empty, received ''"],
    [{ host: '' }, 'host', "expected an address or host name, received ''"],
    [{ scope: 'request' }, 'scope', "expected 'singleton' or 'connection', received 'request'"],
    [{ acceptors: 0 }, 'acceptors', 'expected an integer of 1 or more, received 0'],
    [{ acceptors: Number.POSITIVE_INFINITY }, 'acceptors', 'expected an integer of 1 or more, received Infinity'],
    [{ maxConnections: 0 }, 'maxConnections', 'expected an integer of 1 or more, or Infinity, received 0'],
    [
      { maxConnectionsPerIp: '3' },
      'maxConnectionsPerIp',
      "expected an integer of 1 or more, or Infinity, received '3'; turn it into a number with Number()",
    ],
    [{ maxWaiting: -1 }, 'maxWaiting', 'expected an integer of 0 or more, received -1'],
    [{ backlog: 0 }, 'backlog', 'expected an integer of 1 or more, received 0'],
    [{ acceptRate: { interval: 1 } }, 'acceptRate.perIp', 'expected an integer of 1 or more, received nothing'],
    [
      { acceptRate: true },
      'acceptRate',
      'expected limits such as { perIp: 10, interval: 1000 }, or false for off, received true',
    ],
    [{ options: { noDelay: 1 } }, 'options.noDelay', 'expected true or false, received 1'],
    [
      { options: { keepAliveInitialDelay: 1e9 } },
      'options.keepAliveInitialDelay',
      'expected whole milliseconds from 0 to 32767000, received 1000000000',
    ],
    [{ options: [] }, 'options', 'expected an object such as { noDelay: true }, received []'],
    [
      { timeouts: { idle: 0 } },
      'timeouts.idle',
      'expected whole milliseconds from 1 to 2147483647, or false for off, received 0',
    ],
    [
      { timeouts: { idle: 2 ** 31 } },
      'timeouts.idle',
      'expected whole milliseconds from 1 to 2147483647, or false for off, received 2147483648',
    ],
    [
      { timeouts: { idle: true } },
      'timeouts.idle',
      'expected whole milliseconds from 1 to 2147483647, or false for off, received true',
    ],
    [{ timeouts: 5 }, 'timeouts', 'expected an object such as { idle: 60000 }, received 5'],
    [{ env: [] }, 'env', 'expected an object such as { motd: "hello" }, received []'],
    [{ env: new Map() }, 'env', 'expected an object such as { motd: "hello" }, received Map(0) {}'],
    [
      { alarms: [{ connections: 5 }] },
      'alarms.0.cooldown',
      'expected whole milliseconds from 0 to 2147483647, received nothing',
    ],
    [{ alarms: {} }, 'alarms', 'expected a list of alarms, received {}'],
    [
      { profile: 1 },
      'profile',
      "expected true, false, or the path of a directory or of a file such as 'echo.cpuprofile', received 1",
    ],
    [
      { profile: '' },
      'profile',
      "expected true, false, or the path of a directory or of a file such as 'echo.cpuprofile', received ''",
    ],
    [{ codec: {} }, 'codec', 'expected a codec, an object with decoder() and encode(), received {}'],
    [{ codec: { decoder: () => {} } }, 'codec', expect.stringContaining('expected a codec')],
    [
      { codec: function lines() {} },
      'codec',
      'expected a codec, an object with decoder() and encode(), received [Function: lines]; call it: lines()',
    ],
    [
      { secure: 'server.crt' },
      'secure',
      "expected false, true or TLS options such as { cert: 'server.crt', key: 'server.key' }, received a text",
    ],
    [{ secure: null }, 'secure', expect.stringMatching(/, received null$/)],
    [{ secure: { cert: 'c', key: 'k', watch: 'yes' } }, 'secure.watch', "expected true or false, received 'yes'"],
    [
      { secure: { cert: 'c', key: 'k', ca: [3] } },
      'secure.ca.0',
      'expected PEM text, bytes or the path of a file, received a number',
    ],
    [{ secure: { cert: 'c' } }, 'secure.key', 'is missing; give the private key of cert'],
    [
      { proxyProtocol: 'v2' },
      'proxyProtocol',
      "expected false, true or an object such as { trust: ['10.0.0.0/8'] }, received 'v2'",
    ],
    [{ proxyProtocol: { versions: [] } }, 'proxyProtocol.versions', 'expected [1], [2] or [1, 2], received []'],
    [{ proxyProtocol: { versions: [3] } }, 'proxyProtocol.versions.0', 'expected 1 or 2, received 3'],
    [
      { proxyProtocol: { versions: 2 } },
      'proxyProtocol.versions',
      'expected versions of the PROXY protocol, such as [2], received 2',
    ],
    [
      { proxyProtocol: { trust: '10.0.0.0/8' } },
      'proxyProtocol.trust',
      "expected a list of networks such as ['10.0.0.0/8'], received '10.0.0.0/8'",
    ],
    [
      { proxyProtocol: { trust: [] } },
      'proxyProtocol.trust',
      'expected one network at least, since everybody else is refused, received []',
    ],
    [
      { proxyProtocol: { trust: ['10.0.0.1', 10] } },
      'proxyProtocol.trust.1',
      "expected an address or a network such as '10.0.0.0/8', received 10",
    ],
    [
      { proxyProtocol: { trust: ['::1', '10.0.0.0/33'] } },
      'proxyProtocol.trust.1',
      '"10.0.0.0/33" has to have 0 to 32 bits behind its slash, not 33',
    ],
  ])('%j', (input, path, message) => {
    expect(refusal(path, input)).toEqual(message);
  });

  test('permissions are octal', () => {
    const path = { port: undefined, path: '/x' };
    expect(refusal('mode', { ...path, mode: 660 })).toBe(
      'expected permissions from 0o000 to 0o777, received 660; write it in octal: 0o660',
    );
    expect(refusal('mode', { ...path, mode: '0660' })).toContain('write it in octal: 0o0660');
    expect(refusal('mode', { ...path, mode: 0o1777 })).toContain('received 1023');
  });

  test('the path of a Unix socket has to fit', () => {
    const longest = process.platform === 'linux' ? 107 : 103;
    expect(accepted({ path: '/'.padEnd(longest, 'x') }).path).toHaveLength(longest);
    expect(refusal('path', { port: undefined, path: '/'.padEnd(longest + 1, 'x') })).toContain(
      `the path of a Unix socket, ${longest} bytes at most`,
    );
    expect(refusal('path', { port: undefined, path: '/'.padEnd(longest, 'é') })).toContain('bytes at most');
    expect(refusal('path', { port: undefined, path: '' })).toContain("received ''");
  });

  test.each([[undefined], [null], [8080], ['8080'], [[]]])('%j is no descriptor', (input) => {
    expect(refused(input)[0]?.message).toMatch(/^expected a descriptor such as \{ port: 8080 \}, received /);
  });

  test('a promise of a descriptor is none, with the cure', () => {
    expect(refused(Promise.resolve({ port: 0 }))).toEqual([
      { where: 'Echo', path: '', message: expect.stringMatching(/received a promise; .*async factory/) },
    ]);
  });
});

describe('an unknown field is refused with the one that was meant', () => {
  test.each([
    ['maxConnection', 'maxConnections'],
    ['max_connections', 'maxConnections'],
    ['maxConnectionsPerIP', 'maxConnectionsPerIp'],
    ['hostname', 'host'],
    ['timeout', 'timeouts'],
    ['idle', 'timeouts.idle'],
    ['nodelay', 'options.noDelay'],
    ['prot', 'port'],
    ['accepters', 'acceptors'],
    ['proxy', 'proxyProtocol'],
    ['tls', 'secure'],
    ['cert', 'secure.cert'],
    ['passphrase', 'secure.passphrase'],
    ['trust', 'proxyProtocol.trust'],
    ['unheardOf', undefined],
  ])('%s', (field, meant) => {
    expect(refusal(field, { [field]: 1 })).toBe(
      `is no field of a descriptor; ${meant === undefined ? 'remove it' : `did you mean ${meant}?`}`,
    );
  });

  test('inside a group too', () => {
    expect(refusal('timeouts.idel', { timeouts: { idel: 1 } })).toBe(
      'is no field of timeouts; did you mean timeouts.idle?',
    );
    expect(refusal('timeouts.nothing', { timeouts: { nothing: 1 } })).toBe('is no field of timeouts; remove it');
    expect(refusal('timeouts.hand_shake', { timeouts: { hand_shake: 1 } })).toBe(
      'is no field of timeouts; did you mean timeouts.handshake?',
    );
    expect(refusal('proxyProtocol.version', { proxyProtocol: { version: 2 } })).toBe(
      'is no field of proxyProtocol; did you mean proxyProtocol.versions?',
    );
    expect(refusal('acceptRate.period', { acceptRate: { perIp: 1, interval: 1, period: 1 } })).toContain(
      'is no field of acceptRate',
    );
  });
});

describe('changes of time limits', () => {
  test('are what is set of them, without the defaults of the others', () => {
    expect(checkTimeouts({ idle: 60_000, send: false, wait: Infinity, shutdown: undefined })).toEqual({
      timeouts: { idle: 60_000, send: Infinity, wait: Infinity },
    });
    expect(checkTimeouts({})).toEqual({ timeouts: {} });
    expect(checkTimeouts(undefined)).toEqual({ timeouts: {} });
  });

  test.each([
    [{ idle: 0 }, 'timeouts.idle', 'expected whole milliseconds from 1 to 2147483647, or false for off, received 0'],
    [
      { send: 'x' },
      'timeouts.send',
      "expected whole milliseconds from 1 to 2147483647, or false for off, received 'x'",
    ],
    [{ idel: 5 }, 'timeouts.idel', 'is no field of timeouts; did you mean timeouts.idle?'],
    [{ nothing: 5 }, 'timeouts.nothing', 'is no field of timeouts; remove it'],
    [5, 'timeouts', 'expected an object such as { idle: 60000 }, received 5'],
    [null, 'timeouts', 'expected an object such as { idle: 60000 }, received null'],
  ])('%o are refused as in a descriptor', (changes, path, message) => {
    expect(checkTimeouts(changes)).toEqual({ problems: [{ path, message }] });
    expect(refusal(path, { port: 0, timeouts: changes })).toBe(message);
  });

  test('do not lead to a field that is none of them', () => {
    const message = 'is no field of timeouts; remove it';
    expect(checkTimeouts({ port: 5 })).toEqual({ problems: [{ path: 'timeouts.port', message }] });
  });
});

test('all that is wrong is reported at once', () => {
  const problems = refused({
    port: 70_000,
    path: '/x',
    acceptors: 0,
    timeouts: { idle: 0, sned: 1 },
    maxConnection: 3,
    mode: 660,
  });
  expect(problems.map(({ path }) => path).sort()).toEqual([
    '',
    'acceptors',
    'maxConnection',
    'mode',
    'port',
    'timeouts.idle',
    'timeouts.sned',
  ]);
});
