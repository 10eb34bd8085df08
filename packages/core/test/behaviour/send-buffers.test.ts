import { Connection, lines, OnConnection, OnData, Reagent } from '@reagent/core';
import { expect, it } from 'vitest';
import { Mailbox } from '../support/mailbox.js';
import { overEveryTransport } from './transports.js';

const MEBIBYTE = 1_048_576;

overEveryTransport('a buffer that is sent', ({ start }) => {
  it('is not copied while it waits, however large it is', async () => {
    const large = Buffer.alloc(64 * MEBIBYTE, 'x');
    const queued = new Mailbox<number>();

    @Reagent()
    class Sender {
      @OnConnection()
      async handle(conn: Connection) {
        const before = process.memoryUsage().arrayBuffers;
        for (let part = 0; part < 8; part++) conn.send(large);
        await new Promise((resolve) => setImmediate(resolve));
        queued.put(process.memoryUsage().arrayBuffers - before);
        await conn.closed;
      }
    }

    await using app = await start(Sender);
    const client = await app.connect(Sender);
    client.pause();
    expect(await queued.take()).toBeLessThan(16 * MEBIBYTE);
  });

  it('leaves in one write with all that is sent while a chunk is handled', async () => {
    const calls = new Mailbox<number>();

    @Reagent({ codec: lines() })
    class Answering {
      #lines = 0;

      @OnData()
      answer(conn: Connection<string>, line: string) {
        conn.send(line.toUpperCase());
        this.#lines++;
        if (line === 'last') calls.put(this.#lines);
      }
    }

    await using app = await start(Answering);
    const client = await app.connect(Answering);
    await client.send(`${'line\n'.repeat(31)}last\n`);
    expect(await calls.take()).toBe(32);
    // One write on loopback is one chunk for the client.
    expect(String(await client.recv())).toBe(`${'LINE\n'.repeat(31)}LAST\n`);
  });
});

overEveryTransport('a protocol of lines and counted blocks', ({ start }) => {
  /** As memcached's text protocol has them: `set key flags exptime bytes`, then so many bytes and a line end. */
  @Reagent({ codec: lines({ delimiter: '\r\n' }) })
  class Cache {
    readonly #values = new Map<string, Buffer>();

    @OnConnection()
    async handle(conn: Connection<string>) {
      for await (const line of conn) {
        const [command, key = '', , , bytes] = line.split(' ');
        if (command === 'set') {
          const value = await conn.recv(Number(bytes));
          await conn.recv(2);
          if (value === null) return;
          this.#values.set(key, value);
          conn.send('STORED');
        } else if (command === 'get') {
          const value = this.#values.get(key);
          if (value !== undefined) {
            conn.send(`VALUE ${key} 0 ${value.length}`);
            conn.send(value);
            conn.send('');
          }
          conn.send('END');
        } else {
          conn.send('ERROR');
        }
      }
    }
  }

  it('reads a block that looks like lines, pipelined in one chunk', async () => {
    @Reagent({ codec: lines({ delimiter: '\r\n' }) })
    class Blocks {
      @OnConnection()
      async handle(conn: Connection<string>) {
        for await (const line of conn) {
          const block = await conn.recv(Number(line));
          await conn.recv(2);
          conn.send(`${block?.length}`);
        }
      }
    }

    await using app = await start(Blocks);
    const client = await app.connect(Blocks);
    const requests = 2_000;
    await client.send('6\r\n12\r\n34\r\n'.repeat(requests));
    await client.receive('6\r\n'.repeat(requests), { timeout: 5_000 });
  });

  it('sends a block as it is between its lines', async () => {
    await using app = await start(Cache);
    const client = await app.connect(Cache);
    const stored = 'a\r\nb'.repeat(2_000);
    await client.send(`set one 0 0 ${stored.length}\r\n${stored}\r\nget one\r\nbad\r\nget two\r\n`);
    await client.receive(`STORED\r\nVALUE one 0 ${stored.length}\r\n${stored}\r\nEND\r\nERROR\r\nEND\r\n`);
  });
});
