// Connections that are given to another object: handOver, and an owner returned from @OnConnection.

import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type CloseReason,
  type Connection,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  Reagent,
  StateError,
} from '@reagent/core';
import { expect, it } from 'vitest';
import { Mailbox } from '../support/mailbox.js';
import { overEveryTransport } from './transports.js';

overEveryTransport('handOver', ({ start }) => {
  it('gives the connection and all that arrives from then on to the new owner', async () => {
    const closed: string[] = [];
    const over = new Mailbox<CloseReason>();

    class Chat {
      readonly #name: string;

      constructor(name: string) {
        this.#name = name;
      }

      @OnConnection()
      enter(conn: Connection) {
        conn.send(`hello ${this.#name}\n`);
      }

      @OnData()
      say(conn: Connection, data: Buffer) {
        conn.send(`${this.#name}: ${data}`);
      }

      @OnClose()
      leave(_: Connection, reason: CloseReason) {
        closed.push('chat');
        over.put(reason);
      }
    }

    @Reagent()
    class Lobby {
      @OnData()
      name(conn: Connection, data: Buffer) {
        conn.handOver(new Chat(String(data)));
      }

      @OnClose()
      leave() {
        closed.push('lobby');
      }
    }

    await using app = await start(Lobby);
    const client = await app.connect(Lobby);
    await client.send('anna');
    await client.receive('hello anna\n');
    await client.send('hi');
    await client.receive('anna: hi');
    await client.end();
    expect(await over.take()).toEqual({ kind: 'client' });
    expect(closed).toEqual(['chat']);
  });

  it('takes effect when the hook that is running has finished', async () => {
    const journal: string[] = [];

    class Second {
      @OnConnection()
      open(conn: Connection) {
        journal.push('second opens');
        conn.send('ready');
      }

      @OnData()
      data(conn: Connection, data: Buffer) {
        journal.push(`second gets ${data}`);
        conn.send('done');
      }
    }

    @Reagent()
    class First {
      @OnData()
      async data(conn: Connection, data: Buffer) {
        journal.push(`first gets ${data}`);
        conn.handOver(new Second());
        await nextTurn();
        await nextTurn();
        journal.push('first leaves');
      }
    }

    await using app = await start(First);
    const client = await app.connect(First);
    await client.send('1');
    await client.receive('ready');
    await client.send('2');
    await client.receive('done');
    expect(journal).toEqual(['first gets 1', 'first leaves', 'second opens', 'second gets 2']);
  });

  it('from outside of a hook takes effect at once', async () => {
    const opened = new Mailbox<Connection>();

    class Second {
      @OnData()
      data(conn: Connection, data: Buffer) {
        conn.send(`second ${data}`);
      }
    }

    @Reagent()
    class First {
      @OnConnection()
      open(conn: Connection) {
        opened.put(conn);
      }

      @OnData()
      data(conn: Connection, data: Buffer) {
        conn.send(`first ${data}`);
      }
    }

    await using app = await start(First);
    const client = await app.connect(First);
    const conn = await opened.take();
    await client.send('1');
    await client.receive('first 1');
    conn.handOver(new Second());
    await client.send('2');
    await client.receive('second 2');
  });

  it('to a pull-style owner lets it read, and closes when it returns', async () => {
    const entered = new Mailbox<string>();

    class Reader {
      @OnConnection()
      async read(conn: Connection) {
        entered.put('reader');
        const line = await conn.recv({ until: '\n' });
        conn.send(`read ${line}`);
      }
    }

    @Reagent()
    class First {
      @OnData()
      data(conn: Connection) {
        conn.handOver(new Reader());
      }
    }

    await using app = await start(First);
    const client = await app.connect(First);
    await client.send('go');
    await entered.take();
    await client.send('one\n');
    await client.receive('read one');
    expect(await client.closed()).toBe('end');
  });

  it('of a pull-style handler leaves the connection open when the handler returns', async () => {
    class Echo {
      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }

    @Reagent()
    class Negotiating {
      @OnConnection()
      async handle(conn: Connection) {
        conn.send(`you want ${await conn.recv({ until: '\n' })}\n`);
        conn.handOver(new Echo());
      }
    }

    await using app = await start(Negotiating);
    const client = await app.connect(Negotiating);
    await client.send('echo\nfirst ');
    await client.receive('you want echo\nfirst ');
    await client.send('second');
    await client.receive('second');
  });

  it('may be done again and again', async () => {
    class Counter {
      readonly #count: number;

      constructor(count: number) {
        this.#count = count;
      }

      @OnData()
      count(conn: Connection) {
        conn.send(`${this.#count} `);
        conn.handOver(new Counter(this.#count + 1));
      }
    }

    @Reagent()
    class First {
      @OnConnection()
      open(conn: Connection) {
        conn.handOver(new Counter(1));
      }

      @OnData()
      ignore() {}
    }

    await using app = await start(First);
    const client = await app.connect(First);
    for (const answer of ['1 ', '2 ', '3 ']) {
      await client.send('x');
      await client.receive(answer);
    }
  });

  it('to an object without hooks is a StateError that names its class', async () => {
    const failed = new Mailbox<Error>();

    class Nothing {}

    @Reagent()
    class First {
      @OnData()
      data(conn: Connection) {
        conn.handOver(new Nothing());
      }

      @OnError()
      failed(_: Connection, error: Error) {
        failed.put(error);
      }
    }

    await using app = await start(First);
    await (await app.connect(First)).send('x');
    const error = await failed.take();
    expect(error).toBeInstanceOf(StateError);
    expect(error.message).toContain('Nothing');
  });

  it('has an error of the new owner handled by the new owner', async () => {
    const failed = new Mailbox<string>();

    class Second {
      @OnData()
      data() {
        throw new Error('of the second');
      }

      @OnError()
      failed(_: Connection, error: Error) {
        failed.put(`second: ${error.message}`);
      }
    }

    @Reagent()
    class First {
      @OnConnection()
      open(conn: Connection) {
        conn.handOver(new Second());
      }

      @OnData()
      ignore() {}

      @OnError()
      failed(_: Connection, error: Error) {
        failed.put(`first: ${error.message}`);
      }
    }

    await using app = await start(First);
    const client = await app.connect(First);
    await client.send('x');
    await client.closed();
    expect(failed.all).toEqual(['second: of the second']);
  });
});

overEveryTransport('an owner returned from OnConnection', ({ start }) => {
  it.each(['at once', 'after a while'])('%s takes the connection over', async (when) => {
    class Session {
      #count = 0;

      @OnConnection()
      open(conn: Connection) {
        conn.send('hello ');
      }

      @OnData()
      data(conn: Connection) {
        this.#count += 1;
        conn.send(`${this.#count} `);
      }
    }

    @Reagent()
    class Front {
      @OnConnection()
      accept(): Session | Promise<Session> {
        return when === 'at once' ? new Session() : nextTurn(new Session());
      }
    }

    await using app = await start(Front);
    const clients = [await app.connect(Front), await app.connect(Front)];
    for (const client of clients) {
      await client.receive('hello ');
      await client.send('x');
      await client.receive('1 ');
    }
    await clients[0]?.send('x');
    await clients[0]?.receive('2 ');
  });

  it('without hooks is an error of this connection', async () => {
    @Reagent()
    class Front {
      @OnConnection()
      accept() {
        return { not: 'an owner' };
      }
    }

    await using app = await start(Front);
    const client = await app.connect(Front);
    await client.closed();
    expect(app.listener(Front).stats().handlerErrors).toBe(1);
  });
});

overEveryTransport('a reagent that returns itself from OnConnection', ({ start }) => {
  it('keeps the connection, and is asked once', async () => {
    let entered = 0;

    @Reagent()
    class Fluent {
      @OnConnection()
      open(_conn: Connection) {
        entered++;
        return this;
      }

      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }

    await using app = await start(Fluent);
    const client = await app.connect(Fluent);
    await client.send('hello');
    await client.receive('hello');
    expect(entered).toBe(1);
  });
});
