// A codec cuts the bytes into messages: many in one chunk, or one in many chunks, are handled one after the other.

import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  bytes,
  type CloseReason,
  type Connection,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  Reagent,
} from '@reagent/core';
import { expect, it } from 'vitest';
import { leave } from '../support/leave.js';
import { Mailbox } from '../support/mailbox.js';
import { until } from '../support/until.js';
import { words } from '../support/word-codec.js';
import { overEveryTransport } from './transports.js';

overEveryTransport('messages', ({ start }) => {
  it('arrive one by one, however the bytes were cut', async () => {
    @Reagent({ codec: words() })
    class Echo {
      @OnData()
      echo(conn: Connection<string>, word: string) {
        conn.send(`<${word}>`);
      }
    }

    await using app = await start(Echo);
    const client = await app.connect(Echo);
    await client.send('one two thr');
    await client.receive('<one> <two> ');
    await client.send('ee ');
    await client.receive('<three> ');
    for (const letter of 'four five ') {
      await client.send(letter);
      await nextTurn();
    }
    await client.receive('<four> <five> ');
    expect(app.listener(Echo).stats().messages).toEqual({ in: 5, out: 5 });
  });

  it('of one chunk are answered in one write', async () => {
    @Reagent({ codec: words() })
    class Echo {
      @OnData()
      echo(conn: Connection<string>, word: string) {
        conn.send(word);
      }
    }

    await using app = await start(Echo);
    const client = await app.connect(Echo);
    const text = Array.from({ length: 32 }, (_, index) => `word${index} `).join('');
    await client.send(text);
    expect(String(await client.recv())).toBe(text);
  });

  it('of one chunk wait for the async hook of the one before', async () => {
    const log: string[] = [];

    @Reagent({ codec: words() })
    class Slow {
      @OnData()
      async data(conn: Connection<string>, word: string) {
        log.push(`<${word}`);
        await nextTurn();
        conn.send(word);
        log.push(`${word}>`);
      }
    }

    await using app = await start(Slow);
    const client = await app.connect(Slow);
    await client.send('one two three ');
    await client.end();
    await client.receive('one two three ');
    expect(log).toEqual(['<one', 'one>', '<two', 'two>', '<three', 'three>']);
    expect(await client.closed()).toBe('end');
  });

  it('of one chunk wait while the connection is paused', async () => {
    const opened = new Mailbox<Connection<string>>();

    @Reagent({ codec: words() })
    class OneByOne {
      @OnData()
      data(conn: Connection<string>, word: string) {
        conn.pause();
        conn.send(word);
        opened.put(conn);
      }
    }

    await using app = await start(OneByOne);
    const client = await app.connect(OneByOne);
    await client.send('one two ');
    await client.receive('one ');
    await client.expectNothing(20);
    (await opened.take()).resume();
    await client.receive('two ');
    (await opened.take()).resume();
  });

  it('of one chunk wait while too much waits to be sent', async () => {
    const counts: number[] = [];
    const size = 16 * 1024 * 1024;
    let seen = 0;

    @Reagent({ codec: { decoder: () => words().decoder(), encode: bytes().encode } })
    class Generous {
      @OnData()
      data(conn: Connection<string, Buffer>) {
        seen += 1;
        conn.send(Buffer.alloc(size));
      }
    }

    await using app = await start(Generous);
    const client = await app.connect(Generous);
    client.pause();
    await client.send('one two three ');
    await until(() => seen === 1);
    await client.expectNothing(20);
    counts.push(seen);
    client.resume();
    await client.receive(size, { timeout: 10_000 });
    await client.receive(2 * size, { timeout: 10_000 });
    counts.push(seen);
    expect(counts).toEqual([1, 3]);
  });

  it('after a close or a reset in a hook are dropped', async () => {
    const seen: string[] = [];

    @Reagent({ codec: words() })
    class Last {
      @OnData()
      data(conn: Connection<string>, word: string) {
        seen.push(word);
        if (word === 'close') conn.close();
        if (word === 'reset') conn.reset();
      }
    }

    await using app = await start(Last);
    for (const order of ['close', 'reset']) {
      const client = await app.connect(Last);
      await client.send(`${order} more `);
      await leave(client);
    }
    await app.listener(Last).waitForConnections((connections) => connections === 0);
    expect(seen).toEqual(['close', 'reset']);
  });

  it('go to a new owner from the next one on', async () => {
    class Second {
      @OnData()
      data(conn: Connection<string>, word: string) {
        conn.send(`second:${word}`);
      }
    }

    @Reagent({ codec: words() })
    class First {
      @OnData()
      data(conn: Connection<string>, word: string) {
        conn.send(`first:${word}`);
        if (word === 'over') conn.handOver(new Second());
      }
    }

    await using app = await start(First);
    const client = await app.connect(First);
    await client.send('one over two three ');
    await client.receive('first:one first:over second:two second:three ');
  });

  it('are given by recv() and iteration, and the last one may lack its end', async () => {
    const outcome = new Mailbox<unknown>();

    @Reagent({ codec: words() })
    class Pull {
      @OnConnection()
      async handle(conn: Connection<string>) {
        const seen = [await conn.recv(), String(await conn.recv(2))];
        for await (const word of conn) seen.push(word);
        outcome.put(seen);
      }
    }

    await using app = await start(Pull);
    const client = await app.connect(Pull);
    await client.send('one two three la');
    await client.send('st');
    await client.end();
    expect(await outcome.take()).toEqual(['one', 'tw', 'o', 'three', 'last']);
  });

  it('are taken by a recv() in OnData before the next OnData', async () => {
    @Reagent({ codec: words() })
    class Pairs {
      @OnData()
      async pair(conn: Connection<string>, key: string) {
        const value = await conn.recv();
        conn.send(`${key}=${value}`);
      }
    }

    await using app = await start(Pairs);
    const client = await app.connect(Pairs);
    await client.send('a 1 b 2 c ');
    await client.receive('a=1 b=2 ');
    await client.send('3 ');
    await client.receive('c=3 ');
  });

  it('are cut by another codec from the very next byte on', async () => {
    @Reagent({ codec: words() })
    class Switching {
      @OnData()
      data(conn: Connection<string | Buffer, string | Buffer>, message: string | Buffer) {
        conn.send(message);
        if (message === 'raw') conn.codec = bytes();
      }
    }

    await using app = await start(Switching);
    const client = await app.connect(Switching);
    await client.send('one raw any bytes');
    await client.receive('one raw any bytes');
    await client.send(' at all');
    await client.receive(' at all');
  });
});

overEveryTransport('a codec that throws', ({ start }) => {
  it('while it decodes has its error go to OnError and closes the connection, after the messages before', async () => {
    const errors = new Mailbox<Error>();
    const closed = new Mailbox<CloseReason>();

    @Reagent({ codec: words() })
    class Echo {
      @OnData()
      echo(conn: Connection<string>, word: string) {
        conn.send(word);
      }

      @OnError()
      failed(_: Connection<string>, error: Error) {
        errors.put(error);
      }

      @OnClose()
      bye(_: Connection<string>, reason: CloseReason) {
        closed.put(reason);
      }
    }

    await using app = await start(Echo);
    const client = await app.connect(Echo);
    await client.send('one invalid two ');
    await client.receive('one ');
    await leave(client);
    expect(client.received.toString()).toBe('one ');
    expect(await closed.take()).toMatchObject({ kind: 'error', error: { message: 'a word that is none' } });
    expect(errors.all).toHaveLength(1);
  });

  it('while it decodes for recv() has its error thrown there', async () => {
    const outcome = new Mailbox<unknown>();

    @Reagent({ codec: words() })
    class Pull {
      @OnConnection()
      async handle(conn: Connection<string>) {
        outcome.put(await conn.recv().catch((error: unknown) => error));
      }
    }

    await using app = await start(Pull);
    const client = await app.connect(Pull);
    await client.send('invalid ');
    expect(await outcome.take()).toMatchObject({ message: 'a word that is none' });
  });

  it('while it encodes has its error thrown by send()', async () => {
    const outcome = new Mailbox<unknown>();

    @Reagent({ codec: words() })
    class Wordy {
      @OnData()
      data(conn: Connection<string>) {
        try {
          conn.send('two words');
        } catch (error) {
          outcome.put(error);
        }
        conn.send('one');
      }
    }

    await using app = await start(Wordy);
    const client = await app.connect(Wordy);
    await client.send('go ');
    await client.receive('one ');
    expect(await outcome.take()).toMatchObject({ message: "'two words' is not one word" });
  });
});
