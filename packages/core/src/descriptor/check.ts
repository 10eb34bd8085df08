import * as z from 'zod/mini';
import type { Problem } from '../errors.js';
import { networkProblem } from '../transport/proxy-protocol/trusted-networks.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';
import type { Descriptor, Timeouts } from './descriptor.js';
import { fieldPath } from './field-path.js';
import { describe, type Finding, type Subject } from './findings.js';
import { fieldPaths, schema } from './schema.js';
import { tlsConflicts } from './tls-conflicts.js';
import { identityFields, plainTlsFields, tlsSchema } from './tls-schema.js';

/**
 * Checks a descriptor and fills in its defaults, or says all that is wrong with it.
 *
 * @param className the reagent's class, which the listener is named after and the problems are reported for
 */
export function checkDescriptor(
  className: string,
  input: unknown,
): { descriptor: Descriptor } | { problems: Problem[] } {
  const parsed = parseDescriptor(input);
  if (!('fields' in parsed)) {
    return { problems: parsed.findings.map(([path, message]) => ({ where: className, path, message })) };
  }
  const { name = className, port, path, fd, host, mode, acceptRate, codec, env, ...rest } = parsed.fields;
  const rate = acceptRate === undefined ? undefined : { ...acceptRate, burst: acceptRate.burst ?? acceptRate.perIp };
  return { descriptor: { ...rest, name, port, path, fd, host, mode, acceptRate: rate, codec, env: { ...env } } };
}

/**
 * Checks TLS options by the rules that a descriptor's `secure` is checked by, or says all that is wrong with them. What they name is not
 * read: `loadCredentials` does that.
 *
 * @param path what the paths of the problems begin with, such as `'secure'`
 */
export function checkTlsOptions(
  path: string,
  input: unknown,
): { options: TlsOptions } | { problems: Pick<Problem, 'path' | 'message'>[] } {
  const root = [path];
  const parsed = parse(tlsSchema, {
    input,
    name: path,
    root,
    fields: (below) => tlsFields(root, below),
    isSecret: isSecretOption,
  });
  const findings = [...('findings' in parsed ? parsed.findings : []), ...tlsConflicts(input, root)];
  if ('fields' in parsed && findings.length === 0) return { options: parsed.fields };
  return { problems: findings.map(([path, message]) => ({ path, message })) };
}

/** Checks changes of time limits by the rules of a descriptor's `timeouts`: what of them is set, or all that is wrong with them. */
export function checkTimeouts(
  changes: unknown,
): { timeouts: Partial<Timeouts> } | { problems: Pick<Problem, 'path' | 'message'>[] } {
  const root = ['timeouts'];
  const parsed = parse(schema.shape.timeouts, {
    input: changes,
    name: 'timeouts',
    root,
    fields: () => fieldPaths().filter((path) => path.startsWith('timeouts.')),
    isSecret: () => false,
  });
  if (!('fields' in parsed)) return { problems: parsed.findings.map(([path, message]) => ({ path, message })) };
  // A field that is undefined counts as left out, and the defaults of those that are left out are not asked for.
  const given = Object.entries(parsed.fields).filter(
    ([field]) => (changes as Partial<Timeouts> | undefined)?.[field as keyof Timeouts] !== undefined,
  );
  return { timeouts: Object.fromEntries(given) };
}

function parseDescriptor(input: unknown): { fields: z.output<typeof schema> } | { findings: Finding[] } {
  if (input instanceof Promise) {
    const cure =
      'the function that makes it may not be async: let it take what it needs from a provider with an async factory';
    return { findings: [['', `expected a descriptor such as { port: 8080 }, received a promise; ${cure}`]] };
  }
  const parsed = parse(schema, {
    input,
    name: 'a descriptor',
    root: [],
    fields: ([first, ...below]) => [...(first === 'secure' ? tlsFields(['secure'], below) : []), ...fieldPaths()],
    isSecret: ([first, ...path]) => first === 'secure' && isSecretOption(path),
  });
  const findings = [...('findings' in parsed ? parsed.findings : []), ...conflicts(input)];
  return 'fields' in parsed && findings.length === 0 ? parsed : { findings };
}

function parse<Schema extends z.ZodMiniType>(
  schema: Schema,
  subject: Subject,
): { fields: z.output<Schema> } | { findings: Finding[] } {
  // It is used once or twice a process: compiling the schema to code would not pay.
  const { success, data, error } = z.safeParse(schema, subject.input, { jitless: true });
  return success ? { fields: data } : { findings: error.issues.flatMap((issue) => describe(issue, subject)) };
}

/** The fields of TLS options that a name below `below` may stand for: in a certificate of `sni`, those of one first. */
function tlsFields(root: readonly string[], [field, host]: readonly PropertyKey[]): string[] {
  const own = field === 'sni' && host !== undefined ? [...root, field, host] : undefined;
  return [
    ...(own === undefined ? [] : identityFields.map((name) => fieldPath(...own, name))),
    ...Object.keys(tlsSchema.shape).map((name) => fieldPath(...root, name)),
  ];
}

function isSecretOption([field]: readonly PropertyKey[]): boolean {
  return !plainTlsFields.includes(String(field));
}

/** Problems that concern several fields at once. They are looked for in the input, so that one report has them and the rest. */
function conflicts(input: unknown): Finding[] {
  if (typeof input !== 'object' || input === null) return [];
  const { secure, proxyProtocol } = input as Record<string, unknown>;
  return [...placeConflicts(input), ...tlsConflicts(secure, ['secure']), ...trustProblems(proxyProtocol)];
}

function placeConflicts(input: object): Finding[] {
  const given = (field: string) => (input as Record<string, unknown>)[field] !== undefined;
  const findings: Finding[] = [];

  const places = ['port', 'path', 'fd'].filter(given);
  if (places.length === 0) {
    findings.push([
      '',
      'expected one of port, path and fd, received none of them; say where to listen, with port: 8080 or, for any free port, port: 0',
    ]);
  } else if (places.length > 1) {
    findings.push([
      '',
      `expected one of port, path and fd, received ${places.join(' and ')}; keep one and remove the rest`,
    ]);
  } else {
    const [place] = places;
    if (given('host') && place !== 'port')
      findings.push(['host', `goes with port only, and this listens on a ${place}; remove it`]);
    if (given('mode') && place !== 'path')
      findings.push(['mode', `goes with path only, and this listens on a ${place}; remove it`]);
    if (given('mode') && String((input as { readonly path?: unknown }).path).startsWith('\0'))
      findings.push(['mode', 'goes with a file, and an abstract socket has none: remove it, and check who connects']);
  }
  return findings;
}

/** The entries of `proxyProtocol.trust` that are no networks. */
function trustProblems(proxyProtocol: unknown): Finding[] {
  const { trust } = (proxyProtocol ?? {}) as { readonly trust?: unknown };
  if (!Array.isArray(trust)) return [];
  return trust.flatMap((entry: unknown, index): Finding[] => {
    const message = typeof entry === 'string' ? networkProblem(entry) : undefined;
    return message === undefined ? [] : [[fieldPath('proxyProtocol', 'trust', index), message]];
  });
}
