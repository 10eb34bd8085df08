// With a codec, a client sends and receives its messages; without, bytes.

import { type Codec, json, lines } from '@reagent/core';
import { z } from 'zod';
import type { TestApp } from '../test-app.js';
import { TestClient } from './test-client.js';

const answer = z.object({ length: z.int() });
const question = z.object({ word: z.string() });
const codec = lines().pipe(json(answer, question));

export async function messages() {
  const client = await TestClient.connect({ port: 1 }, { codec, timeout: 1 });
  await client.send({ word: 'a' });
  // @ts-expect-error no question
  await client.send({ length: 1 });
  const message: { length: number } | null = await client.recv();
  const line: string = await client.line();
  await client.write('raw');
  return { message, line };
}

export async function bytes() {
  const client = await TestClient.connect({ port: 1 }, { secure: true });
  await client.send('text');
  // @ts-expect-error no bytes
  await client.send({ word: 'a' });
  const chunk: Buffer | null = await client.recv();
  // @ts-expect-error messages need a codec
  const other: TestClient<string, string> = await TestClient.connect({ port: 1 });
  return { chunk, other };
}

export async function ofAnApp(app: TestApp, texts: Codec<string>) {
  const client = await app.connect('name', { codec: texts });
  const message: string | null = await client.recv();
  const plain: TestClient = await app.connect('name', { proxy: 'PROXY UNKNOWN\r\n' });
  return { message, plain };
}
