import { InvalidMessageError, type MessageIssue } from '../errors.js';
import { shown } from './codec-options.js';
import type { Payload } from './framed-codec.js';
import { jsonErrorPosition } from './json-error-position.js';
import type { Schema, SchemaIssue } from './standard-schema.js';

type JsonFrame = string | Buffer;

/** A client can make as many issues as its frame has values. */
const MAX_ISSUES = 32;

/**
 * JSON in frames of text or of UTF-8.
 *
 * With a schema (zod, or any other that follows Standard Schema; synchronous) messages are what it makes of the JSON. With a second
 * schema, what is sent is checked as well, by the compiler and when it is sent; without, anything that JSON can say may be sent.
 *
 * Frames that are no JSON, have a key `__proto__`, or are refused by the schema are an `InvalidMessageError` with the schema's first 32 issues.
 * So is `null` alone, with which `recv()` would say that the stream has ended.
 *
 * @example
 * ```ts
 * import { Connection, json, lines, OnData, Reagent } from '@reagent/core';
 * import { z } from 'zod';
 *
 * const Request = z.object({ id: z.int(), name: z.string() });
 * type Request = z.infer<typeof Request>;
 *
 * @Reagent({ port: 8080, codec: lines().pipe(json(Request)) })
 * class Greeter {
 *   @OnData()
 *   greet(conn: Connection<Request>, { id, name }: Request) {
 *     conn.send({ id, greeting: `hello ${name}` });
 *   }
 * }
 * ```
 */
export function json(): Payload<unknown, unknown, JsonFrame, string>;
export function json<In>(schema: Schema<unknown, In>): Payload<In, unknown, JsonFrame, string>;
export function json<In, Out>(
  schema: Schema<unknown, In>,
  outgoing: Schema<Out, unknown>,
): Payload<In, Out, JsonFrame, string>;
export function json(schema?: Schema, outgoing?: Schema): Payload<unknown, unknown, JsonFrame, string> {
  if (schema !== undefined) requireSchema(schema);
  if (outgoing !== undefined) requireSchema(outgoing);
  return {
    decode: (frame) => {
      const value = parse(typeof frame === 'string' ? frame : frame.toString());
      return schema === undefined ? value : validate(schema, value);
    },
    encode: (message) => stringify(outgoing === undefined ? message : validate(outgoing, message)),
  };
}

function requireSchema(schema: unknown): void {
  const standard = (schema as Partial<Schema> | null)?.['~standard'];
  if (typeof standard?.validate !== 'function') {
    throw new TypeError(`json() takes a schema that follows Standard Schema, as zod's do, not ${shown(schema)}`);
  }
}

function parse(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(`no valid JSON at ${jsonErrorPosition(text)}`, cause);
  }
  // The name may be spelled with escapes. Without one or the other there is nothing to look for.
  if (text.includes('__proto__') || text.includes('\\u')) refusePrototypes(value);
  return value;
}

/** JSON without line breaks: `JSON.stringify` escapes those in strings and adds none. */
function stringify(message: unknown): string {
  const text = JSON.stringify(message) as string | undefined;
  if (text === undefined) throw new TypeError(`json() cannot send ${shown(message)}: JSON has no such value`);
  return text;
}

/** A value inside a message, and the way to it. */
interface Place {
  readonly value: unknown;
  readonly key: string;
  readonly parent: Place | undefined;
}

/** A property of this name is harmless as it comes from `JSON.parse`, but becomes the prototype of what it is assigned to. */
function refusePrototypes(message: unknown): void {
  // A list instead of recursion, since a client decides how deep it goes.
  const pending: Place[] = [{ value: message, key: '', parent: undefined }];
  for (let place = pending.pop(); place !== undefined; place = pending.pop()) {
    const { value } = place;
    if (typeof value !== 'object' || value === null) continue;
    for (const key of Object.keys(value)) {
      const inner = { value: (value as Record<string, unknown>)[key], key, parent: place };
      if (key === '__proto__')
        throw new InvalidMessageError([{ path: pathTo(inner), message: 'a key that is not allowed' }]);
      pending.push(inner);
    }
  }
}

function pathTo(place: Place): string[] {
  const path: string[] = [];
  for (let at = place; at.parent !== undefined; at = at.parent) path.push(at.key);
  return path.reverse();
}

function validate<Output>(schema: Schema<unknown, Output>, value: unknown): Output {
  let result: ReturnType<(typeof schema)['~standard']['validate']>;
  try {
    result = schema['~standard'].validate(value);
  } catch (cause) {
    throw invalid(`the schema failed: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  if ('then' in result) {
    // Nobody waits for it any more.
    result.then(undefined, () => undefined);
    throw invalid('the schema is asynchronous, or one of its checks threw: json() takes synchronous schemas');
  }
  if (result.issues === undefined) return result.value;
  throw new InvalidMessageError(result.issues.slice(0, MAX_ISSUES).map(withPath));
}

/** The library's own issue, with all that it says, and a path of keys. */
function withPath(issue: SchemaIssue): MessageIssue {
  const path = (issue.path ?? []).map((part) => (typeof part === 'object' ? part.key : part));
  return { ...issue, path };
}

function invalid(message: string, cause?: unknown): InvalidMessageError {
  return new InvalidMessageError([{ path: [], message }], cause === undefined ? undefined : { cause });
}
