import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decodeAll, encodeAll, everyCut } from '../../test/support/codec-driver.js';
import { InvalidMessageError } from '../errors.js';
import { json } from './json.js';
import { lengthPrefixed } from './length-prefixed.js';
import { lines } from './lines.js';
import type { Schema } from './standard-schema.js';

const Request = z.object({ id: z.int(), tags: z.array(z.string()).default([]) });

const decodeLine = (line: string, schema: Schema = z.any()) =>
  decodeAll(lines().pipe(json(schema)), [Buffer.from(`${line}\n`)]);

function issuesOf(error: unknown) {
  expect(error).toBeInstanceOf(InvalidMessageError);
  return (error as InvalidMessageError).issues;
}

describe('json()', () => {
  it('reads and writes any JSON, in lines and in frames of bytes', () => {
    const message = { text: 'a\n"é"\u2028', list: [1, null, true, {}] };
    for (const codec of [lines().pipe(json()), lengthPrefixed({ bytes: 2 }).pipe(json())]) {
      for (const chunks of everyCut(encodeAll(codec, [message, 5, 'x']))) {
        expect(decodeAll(codec, chunks)).toMatchObject({ messages: [message, 5, 'x'], error: undefined });
      }
    }
  });

  it('gives what the schema makes of it', () => {
    expect(decodeLine('{"id":1,"more":true}', Request).messages).toEqual([{ id: 1, tags: [] }]);
  });

  it('refuses what the schema refuses, with its issues and their paths', () => {
    const { messages, error } = decodeLine('{"id":"1","tags":["a",2]}', Request);
    expect(messages).toEqual([]);
    expect(issuesOf(error)).toMatchObject([
      { code: 'invalid_type', expected: 'number', path: ['id'] },
      { code: 'invalid_type', expected: 'string', path: ['tags', 1] },
    ]);
    expect((error as Error).message).toContain('tags.1: Invalid input: expected string, received number');
  });

  it('takes schemas of any library that follows Standard Schema', () => {
    const schema: Schema<unknown, number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) =>
          typeof value === 'number'
            ? { value: value * 2 }
            : { issues: [{ message: 'no number', path: [{ key: 'a' }, 1] }] },
      },
    };
    expect(decodeLine('4', schema).messages).toEqual([8]);
    expect(issuesOf(decodeLine('"4"', schema).error)).toEqual([{ message: 'no number', path: ['a', 1] }]);
  });

  it('reports no more than 32 issues, however many there are', () => {
    expect(issuesOf(decodeLine(`[${'"x",'.repeat(5_000)}1]`, z.array(z.number())).error)).toHaveLength(32);
  });

  it.each([
    ['', 'position 0, where a value is expected'],
    ['{"a":}', 'position 5, where a value is expected'],
    ['{"a":1,}', 'position 7, where a key is expected'],
    ['{a:1}', 'position 1, where a key or } is expected'],
    ['{"a" 1}', 'position 5, where : is expected'],
    ['[1 2]', 'position 3, where , or ] is expected'],
    ['{"a":1 "b"', 'position 7, where , or } is expected'],
    ['[1,]', 'position 3, where a value is expected'],
    ['[', 'position 1, where a value or ] is expected'],
    ['{}  x', 'position 4, where the end is expected'],
    ['"ab\\q"', 'position 3, inside a string'],
    ['"ab', 'position 3, inside a string'],
    ['"a\tb"', 'position 2, inside a string'],
  ])('says where %j is no JSON', (line, where) => {
    const { error } = decodeLine(line);
    expect(issuesOf(error)).toEqual([{ path: [], message: `no valid JSON at ${where}` }]);
    expect((error as Error).cause).toBeInstanceOf(SyntaxError);
  });

  it('refuses null, which would be the end of the stream', () => {
    expect(issuesOf(decodeLine('null').error)).toEqual([
      { path: [], message: 'null is no message: recv() gives it at the end of the stream' },
    ]);
    expect(decodeLine('[null]').messages).toEqual([[null]]);
  });

  it.each(['{"a":[{"__proto__":{"admin":true}}]}', '{"a":[{"\\u005f_proto__":1}]}'])(
    'refuses a key __proto__ in %s',
    (line) => {
      expect(issuesOf(decodeLine(line).error)).toEqual([
        { path: ['a', '0', '__proto__'], message: 'a key that is not allowed' },
      ]);
    },
  );

  it('takes __proto__ where it is no key', () => {
    expect(decodeLine('{"a":"__proto__","b":"\\u00e9"}').messages).toEqual([{ a: '__proto__', b: 'é' }]);
  });

  it('survives JSON that is as deep as a frame allows', () => {
    const deep = `${'['.repeat(30_000)}"\\u0041"${']'.repeat(30_000)}`;
    expect(decodeLine(deep).messages).toHaveLength(1);
    interface Nested extends Array<Nested | string> {}
    const nested: z.ZodType<Nested> = z.lazy(() => z.array(z.union([nested, z.string()])));
    expect(decodeLine(deep, nested).error).toBeInstanceOf(InvalidMessageError);
    expect(decodeLine('['.repeat(60_000)).error).toBeInstanceOf(InvalidMessageError);
  });

  it('passes on what a schema throws as the cause', () => {
    const thrown = new Error('lookup failed');
    const validate = () => {
      throw thrown;
    };
    const { error } = decodeLine('"x"', { '~standard': { version: 1, vendor: 'test', validate } });
    expect(issuesOf(error)).toEqual([{ path: [], message: 'the schema failed: lookup failed' }]);
    expect((error as Error).cause).toBe(thrown);
  });

  it('refuses what an asynchronous schema says, and a schema of zod that throws, which looks the same', () => {
    const refusal = 'the schema is asynchronous, or one of its checks threw: json() takes synchronous schemas';
    const asynchronous = z.string().refine(async () => true);
    const throwing = z.string().refine(() => {
      throw new Error('lookup failed');
    });
    for (const schema of [asynchronous, throwing]) {
      expect(issuesOf(decodeLine('"x"', schema).error)).toEqual([{ path: [], message: refusal }]);
    }
  });

  it('checks what is sent with a second schema', () => {
    const codec = lines().pipe(json(Request, z.object({ at: z.date().transform((date) => date.getTime()) })));
    expect(encodeAll(codec, [{ at: new Date(5) }]).toString()).toBe('{"at":5}\n');
    expect(() => encodeAll(codec, [{ at: 5 as unknown as Date }])).toThrow(InvalidMessageError);
  });

  it('never sends a line break inside a line', () => {
    expect(encodeAll(lines().pipe(json()), ['a\nb\r\n']).toString()).toBe('"a\\nb\\r\\n"\n');
  });

  it.each([undefined, () => 1, Symbol('s')])('refuses to send %s, which JSON lacks', (message) => {
    expect(() => encodeAll(lines().pipe(json()), [message])).toThrow(
      /^json\(\) cannot send .*: JSON has no such value$/,
    );
  });

  it.each([5, {}, () => 1, null])('refuses %s as a schema', (schema) => {
    expect(() => json(schema as never)).toThrow(
      /^json\(\) takes a schema that follows Standard Schema, as zod's do, not /,
    );
  });
});
