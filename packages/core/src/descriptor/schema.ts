// The zod schema of a descriptor: limits and defaults. The texts say what is expected, for the sentence "expected …, received …".
// It is built with zod/mini, which costs a quarter less to load than zod and brings no messages that would go unused.

import * as z from 'zod/mini';
import type { Codec } from '../codec/codec.js';
import { PRIVATE_NETWORKS } from '../transport/proxy-protocol/trusted-networks.js';
import type { ProxyProtocol } from './descriptor.js';
import { tlsSchema } from './tls-schema.js';

const largestPort = 65_535;
// Timers and system calls take 32-bit integers.
const largestInteger = 2_147_483_647;
// The kernel takes the seconds as a 15-bit integer.
const largestKeepAlive = 32_767_000;
// The size of sun_path, less the closing zero byte; a longer path is cut off by some systems.
const longestPath = process.platform === 'linux' ? 107 : process.platform === 'win32' ? largestInteger : 103;

function integer(from: number, to = largestInteger, expected = range(from, to)) {
  return z.int({ error: expected }).check(z.gte(from), z.lte(to));
}

function range(from: number, to: number): string {
  return to === largestInteger ? `an integer of ${from} or more` : `an integer from ${from} to ${to}`;
}

function milliseconds(from: number, to = largestInteger) {
  return integer(from, to, `whole milliseconds from ${from} to ${to}`);
}

/** A count that may be without limit. */
function count() {
  const expected = 'an integer of 1 or more, or Infinity';
  const limit = integer(1, largestInteger, expected);
  return z._default(
    z.union([z.literal(Number.POSITIVE_INFINITY), limit], { error: expected }),
    Number.POSITIVE_INFINITY,
  );
}

/** A time limit; what means off becomes `Infinity`. */
function timeout(preset: number) {
  const off = z.pipe(
    z.union([z.literal(false), z.literal(Number.POSITIVE_INFINITY)]),
    z.transform(() => Number.POSITIVE_INFINITY),
  );
  const expected = `whole milliseconds from 1 to ${largestInteger}, or false for off`;
  return z._default(z.union([off, integer(1, largestInteger, expected)], { error: expected }), preset);
}

function flag(preset: boolean) {
  return z._default(z.boolean({ error: 'true or false' }), preset);
}

function text(expected: string) {
  return z.string({ error: expected }).check(z.minLength(1));
}

/** An object of its own, every field of which has a default. */
function group<Shape extends z.core.$ZodShape>(expected: string, shape: Shape) {
  return z.prefault(z.strictObject(shape, { error: expected }), {} as never);
}

function isObject(value: unknown): value is Readonly<Record<PropertyKey, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isPlainObject(value: unknown): boolean {
  return isObject(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value));
}

// biome-ignore lint/suspicious/noExplicitAny: the message types are known to the handlers only
function isCodec(value: unknown): value is Codec<any, any> {
  return isObject(value) && typeof value.decoder === 'function' && typeof value.encode === 'function';
}

const profilePath = "true, false, or the path of a directory or of a file such as 'echo.cpuprofile'";

const acceptRate = z.strictObject(
  { perIp: integer(1), interval: milliseconds(1), burst: z.optional(integer(1)) },
  { error: 'limits such as { perIp: 10, interval: 1000 }, or false for off' },
);

const alarm = z.strictObject(
  { connections: integer(1), cooldown: milliseconds(0) },
  { error: 'an alarm such as { connections: 10000, cooldown: 60000 }' },
);

const proxyVersions: readonly ProxyProtocol['versions'][number][] = [1, 2];

// Whether an entry is a network is found out in `check.ts`, where the message can say what is wrong with it.
const proxyProtocol = z.strictObject({
  versions: z._default(
    z
      .array(z.literal([1, 2], { error: '1 or 2' }), { error: 'versions of the PROXY protocol, such as [2]' })
      .check(z.minLength(1, { error: '[1], [2] or [1, 2]' })),
    [...proxyVersions],
  ),
  trust: z._default(
    z
      .array(z.string({ error: "an address or a network such as '10.0.0.0/8'" }), {
        error: "a list of networks such as ['10.0.0.0/8']",
      })
      .check(z.minLength(1, { error: 'one network at least, since everybody else is refused' })),
    [...PRIVATE_NETWORKS],
  ),
});

function allProxyProtocol(): ProxyProtocol {
  return { versions: proxyVersions, trust: PRIVATE_NETWORKS };
}

/** A descriptor, field by field. What concerns several fields at once is in `check.ts`. */
export const schema = z.strictObject(
  {
    name: z.optional(text('a name that is not empty')),
    port: z.optional(integer(0, largestPort)),
    path: z.optional(
      z.string({ error: `the path of a Unix socket, ${longestPath} bytes at most` }).check(
        z.minLength(1),
        z.refine((path) => Buffer.byteLength(path) <= longestPath),
      ),
    ),
    fd: z.optional(integer(0, largestInteger, 'the number of an open file descriptor, such as 3')),
    host: z.optional(text('an address or host name')),
    mode: z.optional(integer(0, 0o777, 'permissions from 0o000 to 0o777')),
    secure: z._default(
      z.union([z.boolean(), tlsSchema], {
        error: "false, true or TLS options such as { cert: 'server.crt', key: 'server.key' }",
      }),
      false,
    ),
    scope: z._default(z.enum(['singleton', 'connection'], { error: "'singleton' or 'connection'" }), 'singleton'),
    acceptors: z._default(integer(1), 100),
    maxConnections: count(),
    maxConnectionsPerIp: count(),
    acceptRate: z.pipe(
      z.transform((value) => (value === false ? undefined : value)),
      z.optional(acceptRate),
    ),
    maxWaiting: z._default(integer(0), 1024),
    backlog: z._default(integer(1), 1024),
    options: group('an object such as { noDelay: true }', {
      noDelay: flag(true),
      keepAlive: flag(true),
      keepAliveInitialDelay: z._default(milliseconds(0, largestKeepAlive), 60_000),
      reusePort: flag(false),
      ipv6Only: flag(false),
      highWaterMark: z._default(integer(0, largestInteger, 'a number of bytes, an integer of 0 or more'), 65_536),
    }),
    codec: z.optional(z.custom<Codec<unknown>>(isCodec, { error: 'a codec, an object with decoder() and encode()' })),
    env: z._default(
      z.custom<Readonly<Record<string | symbol, unknown>>>(isPlainObject, {
        error: 'an object such as { motd: "hello" }',
      }),
      {},
    ),
    timeouts: group('an object such as { idle: 60000 }', {
      proxyHeader: timeout(5_000),
      handshake: timeout(5_000),
      idle: timeout(Number.POSITIVE_INFINITY),
      wait: timeout(Number.POSITIVE_INFINITY),
      send: timeout(30_000),
      shutdown: timeout(15_000),
    }),
    proxyProtocol: z._default(
      z.union([z.literal(false), z.pipe(z.literal(true), z.transform(allProxyProtocol)), proxyProtocol], {
        error: "false, true or an object such as { trust: ['10.0.0.0/8'] }",
      }),
      false,
    ),
    alarms: z._default(z.array(alarm, { error: 'a list of alarms' }), []),
    profile: z._default(z.union([z.boolean(), text(profilePath)], { error: profilePath }), false),
  },
  { error: 'a descriptor such as { port: 8080 }' },
);

/** Every field with its path: `['port', 'options.noDelay', 'secure.cert', …]`. */
export function fieldPaths(): string[] {
  return Object.entries(schema.shape).flatMap(([name, field]) => [
    name,
    ...groupsIn(field).flatMap(({ shape }) => Object.keys(shape).map((key) => `${name}.${key}`)),
  ]);
}

/** The objects that a field may consist of. */
function groupsIn(field: unknown): z.ZodMiniObject[] {
  if (field instanceof z.ZodMiniObject) return [field];
  if (field instanceof z.ZodMiniPrefault || field instanceof z.ZodMiniDefault) return groupsIn(field.def.innerType);
  return field instanceof z.ZodMiniUnion ? field.def.options.flatMap(groupsIn) : [];
}
