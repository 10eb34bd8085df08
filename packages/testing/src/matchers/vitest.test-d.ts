// The matchers are there on clients of any codec, and on nothing else.

import '@reagent/testing/vitest';
import type { TestClient } from '@reagent/testing';
import { expect } from 'vitest';

declare const client: TestClient;
declare const lines: TestClient<string, string>;

export async function use() {
  const done: void = await expect(client).toHaveReceived('text');
  await expect(client).toHaveReceived(Buffer.from('bytes'), { timeout: 10 });
  await expect(lines).not.toHaveReceived(/pattern/);
  await expect(lines).toBeClosedBy('server');
  await expect(client).toBeOpen();
  expect(client).not.toHaveReceivedNothing();
  // @ts-expect-error bytes, text or a pattern
  await expect(client).toHaveReceived(17);
  // @ts-expect-error 'server' it is called here
  await expect(client).toBeClosedBy('end');
  // @ts-expect-error a string has received nothing
  await expect('text').toHaveReceived('text');
  // @ts-expect-error a promise of a client has to be awaited first
  await expect(Promise.resolve(client)).toBeOpen();
  return done;
}
