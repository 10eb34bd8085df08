import { inspect } from 'node:util';
import { ConfigurationError, type Problem } from '@reagent/core';
import * as z from 'zod/mini';

/**
 * Where and how operations are served: what `Ops.forRoot` takes, and the token under which it is provided, so that a test can put the
 * endpoint elsewhere.
 */
export abstract class OpsOptions {
  /** The port, 0 to 65535; 0 has the system pick one, which `OpsServer.port` tells. */
  abstract readonly port: number;
  /**
   * The address or host name to listen on. Default: `'127.0.0.1'`, this machine only. Whoever can reach it can read the figures, so
   * name an address of the network that your monitoring is in, not a public one.
   */
  abstract readonly host?: string | undefined;
  /** What all paths begin with, such as `'/ops'` for `/ops/metrics`. Default: nothing. */
  abstract readonly path?: string | undefined;
  /** What the application is called on the page. Default: `'reagent'`. */
  abstract readonly title?: string | undefined;
}

/** Options that were checked, and their defaults filled in. */
export interface CheckedOptions {
  readonly port: number;
  readonly host: string;
  /** Empty, or beginning with a slash and not ending with one. */
  readonly path: string;
  readonly title: string;
}

const expectedPath = "a path such as '/ops', of letters, digits and any of - . _ ~ between single slashes";

const schema = z.strictObject(
  {
    port: z.int({ error: 'an integer from 0 to 65535' }).check(z.gte(0), z.lte(65_535)),
    host: z._default(
      z.string({ error: "an address or host name such as '127.0.0.1'" }).check(z.minLength(1)),
      '127.0.0.1',
    ),
    path: z.pipe(
      z._default(z.string({ error: expectedPath }).check(z.regex(/^(\/[\w.~-]+)*\/?$/)), ''),
      z.transform((path) => path.replace(/\/$/, '')),
    ),
    title: z._default(
      z.string({ error: 'a name of 1 to 80 characters' }).check(z.minLength(1), z.maxLength(80)),
      'reagent',
    ),
  },
  { error: 'options such as { port: 9464 }' },
);

const fields = Object.keys(schema.shape);

/**
 * Checks options and fills in their defaults.
 *
 * @throws ConfigurationError with all that is wrong
 */
export function checkOptions(input: unknown): CheckedOptions {
  const { success, data, error } = z.safeParse(schema, input, { jitless: true });
  if (success) return data;
  throw new ConfigurationError(error.issues.flatMap((issue) => describe(issue, input)));
}

function describe(issue: z.core.$ZodIssue, input: unknown): Problem[] {
  const where = 'Ops.forRoot()';
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      where,
      path: key,
      message: `is no option of it; it has ${fields.join(', ')}`,
    }));
  }
  const path = issue.path.map(String).join('.');
  const received = path === '' ? input : (input as Readonly<Record<string, unknown>>)[path];
  return [{ where, path, message: `expected ${issue.message}, received ${show(received)}${hint(received)}` }];
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 60 });
}

function hint(received: unknown): string {
  const isNumber = typeof received === 'string' && received.trim() !== '' && !Number.isNaN(Number(received));
  return isNumber ? '; turn it into a number with Number()' : '';
}
