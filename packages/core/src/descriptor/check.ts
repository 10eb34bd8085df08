import { inspect } from 'node:util';
import * as z from 'zod/mini';
import type { Problem } from '../errors.js';
import type { Descriptor } from './descriptor.js';
import { fieldPaths, schema } from './schema.js';
import { nearestPath } from './spelling.js';

/**
 * Checks a descriptor and fills in its defaults, or says all that is wrong with it.
 *
 * @param className the reagent's class, which the listener is named after and the problems are reported for
 */
export function checkDescriptor(
  className: string,
  input: unknown,
): { descriptor: Descriptor } | { problems: Problem[] } {
  const parsed = parse(input);
  if (!('fields' in parsed)) {
    return { problems: parsed.findings.map(([path, message]) => ({ where: className, path, message })) };
  }
  const { name = className, port, path, fd, host, mode, acceptRate, codec, env, ...rest } = parsed.fields;
  const rate = acceptRate === undefined ? undefined : { ...acceptRate, burst: acceptRate.burst ?? acceptRate.perIp };
  return { descriptor: { ...rest, name, port, path, fd, host, mode, acceptRate: rate, codec, env: { ...env } } };
}

/** A path and what is wrong there. */
type Finding = readonly [path: string, message: string];

function parse(input: unknown): { fields: z.output<typeof schema> } | { findings: Finding[] } {
  if (input instanceof Promise) {
    const cure =
      'the function that makes it may not be async: let it take what it needs from a provider with an async factory';
    return { findings: [['', `expected a descriptor such as { port: 8080 }, received a promise; ${cure}`]] };
  }
  // It is used once or twice a process: compiling the schema to code would not pay.
  const { success, data, error } = z.safeParse(schema, input, { jitless: true });
  const conflicting = conflicts(input);
  if (success && conflicting.length === 0) return { fields: data };
  return { findings: [...(error?.issues ?? []).flatMap((issue) => describe(issue, input)), ...conflicting] };
}

function describe(issue: z.core.$ZodIssue, input: unknown): Finding[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => [[...path, key].join('.'), unknownField(path, key)]);
  }
  const received = issue.path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
    input,
  );
  return [[path.join('.'), `expected ${issue.message}, received ${show(received)}${hint(path.join('.'), received)}`]];
}

/** What a reader may have meant, for values that are wrong in a way that is known. */
function hint(path: string, received: unknown): string {
  if (path === 'secure') return ': TLS is not supported by this version; remove it';
  if (path === 'proxyProtocol') return ': the PROXY protocol is not supported by this version; remove it';
  if (path === 'mode' && /^[0-7]{3,4}$/.test(String(received))) return `; write it in octal: 0o${received}`;
  if (path === 'codec' && typeof received === 'function') return `; call it: ${received.name}()`;
  if (typeof received === 'string' && received.trim() !== '' && !Number.isNaN(Number(received)))
    return '; turn it into a number with Number()';
  return '';
}

/** Problems that concern several fields at once. They are looked for in the input, so that one report has them and the rest. */
function conflicts(input: unknown): Finding[] {
  if (typeof input !== 'object' || input === null) return [];
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
  }
  return findings;
}

function show(value: unknown): string {
  return value === undefined
    ? 'nothing'
    : inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 60 });
}

function unknownField(parents: readonly string[], key: string): string {
  const place = parents.length === 0 ? 'a descriptor' : parents.join('.');
  const meant = nearestPath([...parents, key].join('.'), fieldPaths());
  return `is no field of ${place}; ${meant === undefined ? 'remove it' : `did you mean ${meant}?`}`;
}
