// From the issues of zod to sentences for people.

import { inspect, types } from 'node:util';
import type * as z from 'zod/mini';
import { fieldPath } from './field-path.js';
import { nearestPath } from './spelling.js';

/** A path and what is wrong there. */
export type Finding = readonly [path: string, message: string];

/** What is checked, for the sentences. */
export interface Subject {
  readonly input: unknown;
  /** What it is called where a field is none of it: `'a descriptor'`. */
  readonly name: string;
  /** What its paths begin with. */
  readonly root: readonly string[];
  /** All fields there are below a place, with their paths: of them, the one that was meant is looked for. */
  fields(below: readonly PropertyKey[]): readonly string[];
  /** Whether what is at a path may be secret: then a message tells only of what kind it is. */
  isSecret(path: readonly PropertyKey[]): boolean;
}

/** Names that other libraries have for a field. */
const otherNames: Readonly<Record<string, string>> = { tls: 'secure', ssl: 'secure' };

/** What is wrong, for one issue of zod. */
export function describe(issue: z.core.$ZodIssue, subject: Subject, parents: readonly PropertyKey[] = []): Finding[] {
  const path = [...parents, ...issue.path];
  const name = fieldPath(...subject.root, ...path);
  const received = path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
    subject.input,
  );
  if (issue.code === 'unrecognized_keys') {
    // Each of them would be an unknown field.
    if (types.isUint8Array(received)) return [[name, `expected an object, received ${kindOf(received)}`]];
    return issue.keys.map((key) => [fieldPath(...subject.root, ...path, key), unknownField(subject, path, key)]);
  }
  if (issue.code === 'invalid_union') {
    // Of the alternatives, the one that is right as a whole and wrong only in a part of it is meant.
    const meant = issue.errors.find((issues) =>
      issues.every((each) => each.path.length > 0 || each.code === 'unrecognized_keys'),
    );
    if (meant !== undefined) return meant.flatMap((each) => describe(each, subject, path));
  }
  const shown = subject.isSecret(path) ? kindOf(received) : show(received);
  return [[name, `expected ${issue.message}, received ${shown}${hint(path, received)}`]];
}

/** What a reader may have meant, for values that are wrong in a way that is known. */
function hint(path: readonly PropertyKey[], received: unknown): string {
  const field = path.at(-1);
  if (field === 'mode' && /^[0-7]{3,4}$/.test(String(received))) return `; write it in octal: 0o${received}`;
  if (field === 'codec' && typeof received === 'function') return `; call it: ${received.name}()`;
  if (field === 'ticketKeys' && typeof received === 'string')
    return "; turn it into bytes with Buffer.from(text, 'base64')";
  if (received instanceof URL) return '; turn it into a path with fileURLToPath()';
  if (received instanceof Promise) return '; await it first';
  return numberHint(received);
}

/** What to say of a text where a number is expected, as an environment variable is one; nothing of anything else. */
export function numberHint(received: unknown): string {
  const isNumeric = typeof received === 'string' && received.trim() !== '' && !Number.isNaN(Number(received));
  return isNumeric ? '; turn it into a number with Number()' : '';
}

function unknownField({ name, root, fields }: Subject, parents: readonly PropertyKey[], key: string): string {
  const place = parents.length === 0 ? name : fieldPath(...root, ...parents);
  const path = fieldPath(...root, ...parents, key);
  const known = fields(parents).filter((field) => field !== place);
  const other = known.find((field) => field === otherNames[key.toLowerCase()]);
  const meant = other ?? nearestPath(path, known);
  return `is no field of ${place}; ${meant === undefined ? 'remove it' : `did you mean ${meant}?`}`;
}

/** A value in a sentence. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (types.isUint8Array(value)) return kindOf(value);
  const shown = inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 60 });
  // A key may stand in the wrong place.
  return shown.includes('-----BEGIN ') ? kindOf(value) : shown;
}

/** Of what kind a value is, without anything of it. */
function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === '') return "''";
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return value.includes('-----BEGIN ') ? 'PEM text' : 'a text';
  if (types.isUint8Array(value)) return `${value.length} bytes`;
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (value instanceof Promise) return 'a promise';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
