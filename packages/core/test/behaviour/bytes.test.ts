// Bytes come and go as they were sent: none is lost, repeated or changed, however they are cut.

import { createHash, randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Connection, type Constructor, lengthPrefixed, lines, OnConnection, OnData, Reagent } from '@reagent/core';
import { everySplit, type TestApp } from '@reagent/testing';
import { expect, it } from 'vitest';
import { overEveryTransport } from './transports.js';

const MEBIBYTE = 1_048_576;
const LONG = { timeout: 10_000 };

function digest(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

overEveryTransport('an input that is cut anywhere', ({ start }) => {
  /** Sends it in every way there is, and wants the same answer and the same end each time. */
  async function answers(app: TestApp, reagent: Constructor, input: string | Buffer, answer: string | Buffer) {
    await everySplit(input, async ({ send }) => {
      await using client = await app.connect(reagent);
      await send(client);
      await client.end();
      await client.receive(Buffer.from(answer as string));
      expect(await client.closed()).toBe('end');
    });
  }

  it('gives the same lines', async () => {
    @Reagent({ codec: lines() })
    class Echo {
      @OnData()
      echo(conn: Connection<string>, line: string) {
        conn.send(`<${line}>`);
      }
    }

    await using app = await start(Echo);
    await answers(app, Echo, 'one\r\ntwö €\n\n😀', '<one>\n<twö €>\n<>\n<😀>\n');
  });

  it('gives the same frames to an async hook', async () => {
    @Reagent({ codec: lengthPrefixed({ bytes: 2 }) })
    class Echo {
      @OnData()
      async echo(conn: Connection, frame: Buffer) {
        await nextTurn();
        conn.send(frame);
      }
    }

    const frames = Buffer.from('\0\x03abc\0\0\0\x01d\0\x04efgh', 'latin1');
    await using app = await start(Echo);
    await answers(app, Echo, frames, frames);
  });

  it('gives the same to a handler that asks by length, by delimiter and by message', async () => {
    @Reagent({ codec: lines() })
    class Mixed {
      @OnConnection()
      async handle(conn: Connection<string>) {
        const head = await conn.recv(3);
        const word = await conn.recv({ until: ' ' });
        const line = await conn.recv();
        const rest = await conn.recv(2);
        conn.send([head, word, line, rest, await conn.recv()].join('|'));
      }
    }

    await using app = await start(Mixed);
    await answers(app, Mixed, 'abcword line\r\nxy', 'abc|word|line|xy|\n');
  });
});

overEveryTransport('a megabyte both ways at once', ({ start }) => {
  const upload = randomBytes(MEBIBYTE);
  const download = randomBytes(MEBIBYTE);

  @Reagent({ scope: 'connection' })
  class Push {
    readonly #hash = createHash('sha256');
    #received = 0;

    @OnConnection()
    open(conn: Connection) {
      conn.send(download);
    }

    @OnData()
    take(conn: Connection, data: Buffer) {
      this.#hash.update(data);
      this.#received += data.length;
      if (this.#received >= MEBIBYTE) conn.send(`${this.#received} ${this.#hash.digest('hex')}`);
    }
  }

  @Reagent()
  class Pull {
    @OnConnection()
    async handle(conn: Connection) {
      conn.send(download);
      const hash = createHash('sha256');
      let received = 0;
      for await (const data of conn) {
        hash.update(data);
        received += data.length;
      }
      conn.send(`${received} ${hash.digest('hex')}`);
    }
  }

  @Reagent()
  class Streaming {
    @OnConnection()
    async handle({ stream }: Connection) {
      stream.write(download);
      const hash = createHash('sha256');
      let received = 0;
      // Iteration would destroy the stream at the end of what is read.
      for await (const data of stream.iterator({ destroyOnReturn: false })) {
        hash.update(data);
        received += data.length;
      }
      stream.end(`${received} ${hash.digest('hex')}`);
    }
  }

  it.each([
    ['push style', Push],
    ['pull style', Pull],
    ['a stream', Streaming],
  ] as const)('is whole and unchanged in %s', async (_, reagent) => {
    await using app = await start(reagent);
    const client = await app.connect(reagent);
    const sent = [client.send(upload, LONG), client.end(LONG)];
    expect(digest(await client.receive(MEBIBYTE, LONG))).toBe(digest(download));
    await client.receive(`${MEBIBYTE} ${digest(upload)}`, LONG);
    expect(await client.closed()).toBe('end');
    await Promise.all(sent);
  });
});

overEveryTransport('32 pipelined lines', ({ start }) => {
  const requests = Array.from({ length: 32 }, (_, index) => `request ${index}\n`).join('');
  const answers = requests.replaceAll('request', 'answer to request');

  @Reagent({ codec: lines() })
  class Push {
    @OnData()
    answer(conn: Connection<string>, line: string) {
      conn.send(`answer to ${line}`);
    }
  }

  @Reagent({ codec: lines() })
  class Slow {
    @OnData()
    async answer(conn: Connection<string>, line: string) {
      // Each takes less time than the one before, so that they would overtake each other if they could.
      for (let turns = 32 - Number(line.split(' ')[1]); turns > 0; turns -= 1) await nextTurn();
      conn.send(`answer to ${line}`);
    }
  }

  @Reagent({ codec: lines() })
  class Pull {
    @OnConnection()
    async handle(conn: Connection<string>) {
      for await (const line of conn) conn.send(`answer to ${line}`);
    }
  }

  it.each([
    ['a hook', Push],
    ['an async hook', Slow],
    ['a handler', Pull],
  ] as const)('are answered in order by %s', async (_, reagent) => {
    await using app = await start(reagent);
    const client = await app.connect(reagent);
    await client.send(requests);
    await client.receive(answers);
    // And again, with the end right behind them.
    await client.send(requests);
    await client.end();
    await client.receive(answers);
    expect(await client.closed()).toBe('end');
  });
});
