import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CloseReason,
  Connection,
  OnClose,
  OnConnection,
  OnData,
  Reagent,
  type SendFileOptions,
} from '@reagent/core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Mailbox } from '../support/mailbox.js';
import { overEveryTransport } from './transports.js';

const MEBIBYTE = 1_048_576;

overEveryTransport('sendFile()', ({ start, serverReset }) => {
  let directory: string;
  let path: string;
  const content = randomBytes(5 * MEBIBYTE + 123);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reagent-'));
    path = join(directory, 'content');
    await writeFile(path, content);
  });

  afterAll(() => rm(directory, { recursive: true }));

  /** Sends a file between two texts to whoever connects. */
  function sender(file: () => string, options: SendFileOptions = {}) {
    const outcome = new Mailbox<unknown>();
    const closed = new Mailbox<CloseReason>();

    @Reagent()
    class Sender {
      @OnConnection()
      async handle(conn: Connection) {
        conn.send('before');
        const sent = conn.sendFile(file(), options);
        conn.send('after');
        outcome.put(await sent.catch((error: unknown) => error));
        await conn.recv();
      }

      @OnClose()
      bye(_conn: Connection, reason: CloseReason) {
        closed.put(reason);
      }
    }

    return { Sender, outcome, closed };
  }

  it('sends a file between what was sent before and after it, and tells how many bytes it has', async () => {
    const { Sender, outcome } = sender(() => path);
    await using app = await start(Sender);
    const client = await app.connect(Sender);
    await client.receive('before');
    expect((await client.receive(content.length, { timeout: 5_000 })).equals(content)).toBe(true);
    await client.receive('after');
    expect(await outcome.take()).toBe(content.length);
  });

  it('sends the part that offset and size say', async () => {
    const { Sender, outcome } = sender(() => path, { offset: 1_000, size: 200_000 });
    await using app = await start(Sender);
    const client = await app.connect(Sender);
    await client.receive('before');
    expect((await client.receive(200_000)).equals(content.subarray(1_000, 201_000))).toBe(true);
    await client.receive('after');
    expect(await outcome.take()).toBe(200_000);
  });

  it('sends nothing of an empty file, or from its end', async () => {
    const { Sender, outcome } = sender(() => path, { offset: content.length });
    await using app = await start(Sender);
    await (await app.connect(Sender)).receive('beforeafter');
    expect(await outcome.take()).toBe(0);
  });

  it('sends several files in the order of the calls', async () => {
    @Reagent()
    class Sender {
      @OnData()
      data(conn: Connection) {
        for (let part = 0; part < 4; part++) {
          conn.send(`<${part}>`);
          void conn.sendFile(path, { offset: part * 100_000, size: 100_000 });
        }
        conn.close();
      }
    }

    await using app = await start(Sender);
    const client = await app.connect(Sender);
    await client.send('go');
    for (let part = 0; part < 4; part++) {
      await client.receive(`<${part}>`);
      const expected = content.subarray(part * 100_000, (part + 1) * 100_000);
      expect((await client.receive(100_000)).equals(expected)).toBe(true);
    }
    expect(await client.closed()).toBe('end');
  });

  it('of a file that is not there rejects, sends nothing of it, and the connection goes on', async () => {
    const { Sender, outcome } = sender(() => join(directory, 'missing'));
    await using app = await start(Sender);
    const client = await app.connect(Sender);
    await client.receive('beforeafter');
    expect(await outcome.take()).toMatchObject({ code: 'ENOENT' });
    expect(app.logs.filter(({ message }) => message === 'sendFile() failed')).toHaveLength(1);
  });

  it('of more than the file has rejects with a RangeError that names it', async () => {
    const { Sender, outcome } = sender(() => path, { offset: 10, size: content.length });
    await using app = await start(Sender);
    await (await app.connect(Sender)).receive('beforeafter');
    const error = await outcome.take();
    expect(error).toBeInstanceOf(RangeError);
    expect(String(error)).toContain(path);
  });

  it('of a file that shrinks meanwhile resets the connection', async () => {
    const shrinking = join(directory, 'shrinking');
    await writeFile(shrinking, Buffer.alloc(32 * MEBIBYTE));
    const { Sender, outcome, closed } = sender(() => shrinking);
    await using app = await start(Sender);
    const client = await app.connect(Sender);
    await client.receive('before');
    // By then its size is known.
    await client.receive(1);
    client.pause();
    await truncate(shrinking, MEBIBYTE);
    client.resume();
    expect(await outcome.take()).toMatchObject({ code: 'ERR_REAGENT_UNEXPECTED_END' });
    expect(await client.closed()).toBe(serverReset);
    expect(await closed.take()).toMatchObject({ kind: 'error' });
  });

  it('to a client that leaves rejects, and the file is closed', async () => {
    const large = join(directory, 'large');
    await writeFile(large, Buffer.alloc(64 * MEBIBYTE));
    const { Sender, outcome } = sender(() => large);
    await using app = await start(Sender);
    const client = await app.connect(Sender);
    await client.receive('before');
    client.pause();
    client.reset();
    expect(await outcome.take()).toMatchObject({ code: 'ERR_REAGENT_CONNECTION_CLOSED', reason: { kind: 'reset' } });
  });

  it('keeps a part of the file in memory, however slow the client is', async () => {
    const large = join(directory, 'slow');
    await writeFile(large, Buffer.alloc(128 * MEBIBYTE));
    const { Sender } = sender(() => large);
    await using app = await start(Sender);
    const before = process.memoryUsage().arrayBuffers;
    const client = await app.connect(Sender);
    await client.receive('before');
    client.pause();
    const [conn] = app.listener(Sender).connections;
    // The kernel's buffers are full when no more is taken.
    for (let taken = -1; conn !== undefined && taken !== conn.bytesWritten; ) {
      taken = conn.bytesWritten;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * MEBIBYTE);
  });
});
