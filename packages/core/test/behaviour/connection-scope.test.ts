// scope: 'connection': an instance of the reagent for each connection.

import {
  Connection,
  type Incoming,
  inject,
  injectable,
  Lifecycle,
  Listener,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  Reagent,
  scoped,
} from '@reagent/core';
import { expect, it } from 'vitest';
import { leave } from '../support/leave.js';
import { Mailbox } from '../support/mailbox.js';
import { overEveryTransport } from './transports.js';

overEveryTransport("scope: 'connection'", ({ start, serverReset }) => {
  it('makes an instance for each connection, with the connection and the listener injected', async () => {
    const checks = new Mailbox<boolean>();

    @Reagent({ scope: 'connection', name: 'sessions' })
    class Session {
      #seen = 0;

      constructor(
        private readonly conn: Connection,
        private readonly listener: Listener,
      ) {}

      @OnConnection()
      hello(conn: Connection) {
        checks.put(conn === this.conn && conn.listener === this.listener);
        this.conn.send(`hello on ${this.listener.name}\n`);
      }

      @OnData()
      count() {
        this.#seen += 1;
        this.conn.send(`${this.#seen} `);
      }
    }

    await using app = await start(Session);
    const [first, second] = [await app.connect(Session), await app.connect(Session)];
    await first.receive('hello on sessions\n');
    await second.receive('hello on sessions\n');
    for (const answer of ['1 ', '2 ']) {
      await first.send('x');
      await first.receive(answer);
    }
    await second.send('x');
    await second.receive('1 ');
    expect(await checks.takeMany(2)).toEqual([true, true]);
  });

  it('injects the application’s providers, one instance for all connections', async () => {
    class Store {
      count = 0;
    }

    @Reagent({ scope: 'connection' })
    class Session {
      constructor(
        private readonly store: Store,
        @inject('greeting') private readonly greeting: string,
      ) {}

      @OnConnection()
      hello(conn: Connection) {
        this.store.count += 1;
        conn.send(`${this.greeting} ${this.store.count}`);
      }
    }

    await using app = await start(Session, { providers: [Store, { token: 'greeting', useValue: 'hello' }] });
    await (await app.connect(Session)).receive('hello 1');
    await (await app.connect(Session)).receive('hello 2');
    expect(app.resolve(Store).count).toBe(2);
  });

  it('disposes what was made for a connection after its OnClose, and nothing else', async () => {
    const journal = new Mailbox<string>();

    class Store {
      dispose() {
        journal.put('store disposed');
      }
    }

    @scoped(Lifecycle.ContainerScoped)
    class Transaction {
      dispose() {
        journal.put('transaction disposed');
      }
    }

    @Reagent({ scope: 'connection' })
    class Session {
      constructor(
        readonly transaction: Transaction,
        readonly store: Store,
      ) {}

      @OnData()
      ignore() {}

      @OnClose()
      bye() {
        journal.put('closed');
      }
    }

    await using app = await start(Session, { providers: [Store] });
    const client = await app.connect(Session);
    await client.end();
    expect(await journal.takeMany(2)).toEqual(['closed', 'transaction disposed']);
    expect(journal.rest).toEqual([]);
    await app.stop();
    expect(await journal.take()).toBe('store disposed');
    expect(journal.rest).toEqual([]);
  });

  it('gives all that is made for one connection the same connection', async () => {
    @scoped(Lifecycle.ContainerScoped)
    class Journal {
      constructor(readonly conn: Connection) {}
    }

    @injectable()
    class Parser {
      constructor(readonly journal: Journal) {}
    }

    @Reagent({ scope: 'connection' })
    class Session {
      constructor(
        private readonly parser: Parser,
        private readonly journal: Journal,
      ) {}

      @OnConnection()
      hello(conn: Connection) {
        conn.send(String(this.parser.journal === this.journal && this.journal.conn === conn));
      }
    }

    await using app = await start(Session);
    await (await app.connect(Session)).receive('true');
    await (await app.connect(Session)).receive('true');
  });

  it('makes no instance for a client that OnAccept turns away', async () => {
    let made = 0;
    let asked = 0;

    @Reagent({ scope: 'connection' })
    class Session {
      constructor() {
        made += 1;
      }

      @OnAccept()
      static admit(incoming: Incoming) {
        asked += 1;
        if (asked === 1) incoming.reject();
      }

      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello');
      }
    }

    await using app = await start(Session);
    expect(made).toBe(0);
    const stranger = await app.connect(Session, { secure: false });
    expect(await stranger.closed()).toBe(serverReset);
    expect(made).toBe(0);
    await (await app.connect(Session)).receive('hello');
    expect(made).toBe(1);
  });

  it('closes a connection alone whose instance cannot be made', async () => {
    let made = 0;

    @Reagent({ scope: 'connection' })
    class Session {
      constructor() {
        made += 1;
        if (made === 1) throw new Error('not in the mood');
      }

      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello');
      }
    }

    await using app = await start(Session);
    const first = await app.connect(Session);
    await leave(first);
    expect(first.received.length).toBe(0);
    expect(
      JSON.stringify(app.logs.map(({ fields, message }) => [message, Object.values(fields).map(String)])),
    ).toContain('not in the mood');
    const second = await app.connect(Session);
    await second.receive('hello');
    await leave(second);
    await app.listener(Session).waitForConnections((connections) => connections === 0);
  });
});
