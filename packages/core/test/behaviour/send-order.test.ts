import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection, OnData, Reagent } from '@reagent/core';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { overEveryTransport } from './transports.js';

/** One thing that a handler may do to send, or to let time pass in between. */
type Step =
  | { readonly kind: 'text' | 'bytes'; readonly size: number }
  | { readonly kind: 'file'; readonly size: number }
  | { readonly kind: 'tick' | 'turn' | 'drained' };

const FILE_SIZE = 400_000;
const file = Buffer.alloc(FILE_SIZE, 'file');

const size = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: 10_000, max: 30_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 120_000, max: 300_000 }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom('text' as const, 'bytes' as const), size }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('file' as const), size: fc.integer({ min: 0, max: FILE_SIZE }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('tick' as const, 'turn' as const, 'drained' as const) }) },
);

/** What a step sends, different for each. */
function payload(kind: string, index: number, length: number): string {
  // Not all of it is ASCII, so that characters and bytes are not the same number.
  const letter = kind === 'text' ? 'ä' : 'b';
  return `<${index}>${letter.repeat(length)}`;
}

overEveryTransport('what is sent', ({ start }) => {
  let directory: string;
  let path: string;
  let steps: readonly Step[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reagent-'));
    path = join(directory, 'file');
    await writeFile(path, file);
  });

  afterAll(() => rm(directory, { recursive: true }));

  @Reagent()
  class Sender {
    @OnData()
    async perform(conn: Connection) {
      for (const [index, step] of steps.entries()) {
        switch (step.kind) {
          case 'text':
            conn.send(payload('text', index, step.size));
            break;
          case 'bytes':
            conn.send(Buffer.from(payload('bytes', index, step.size)));
            break;
          case 'file':
            void conn.sendFile(path, { size: step.size });
            break;
          case 'tick':
            await Promise.resolve();
            break;
          case 'turn':
            await new Promise((resolve) => setImmediate(resolve));
            break;
          case 'drained':
            await conn.drained();
        }
      }
      conn.close();
    }
  }

  function expected(): Buffer {
    return Buffer.concat(
      steps.map((step, index) => {
        if (step.kind === 'file') return file.subarray(0, step.size);
        if ('size' in step) return Buffer.from(payload(step.kind, index, step.size));
        return Buffer.alloc(0);
      }),
    );
  }

  it('arrives whole and in the order of the calls, whatever it is made of and however slowly it is read', async () => {
    await using app = await start(Sender);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (chosen, slow) => {
        steps = chosen;
        const client = await app.connect(Sender);
        await client.send('go');
        if (slow) {
          client.pause();
          await new Promise((resolve) => setImmediate(resolve));
          client.resume();
        }
        expect(await client.closed({ timeout: 10_000 })).toBe('end');
        const wanted = expected();
        // A digest, since a difference between megabytes is no message to read.
        const digest = (data: Buffer) => `${data.length} ${createHash('sha1').update(data).digest('hex')}`;
        expect(digest(client.received)).toBe(digest(wanted));
      }),
      { numRuns: 40 },
    );
  });
});
