// The hooks of a connection in their order, in each style. Each of them is async, and begins when the one before has ended.

import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type CloseReason,
  type Connection,
  type Constructor,
  lines,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  OnShutdown,
  OnTimeout,
  Reagent,
} from '@reagent/core';
import type { TestApp, TestClient } from '@reagent/testing';
import { expect, it } from 'vitest';
import { leave } from '../support/leave.js';
import { overEveryTransport } from './transports.js';

/** For the one conversation in which nothing is said. */
const IDLE_MS = 60;

type Line = Connection<string>;

/** Reagents of all styles that answer each line with itself and fail at `throw`, and what their hooks have noted. */
function styles() {
  const journal: string[] = [];
  async function step(hook: string): Promise<void> {
    journal.push(`${hook} begins`);
    await nextTurn();
    journal.push(`${hook} ends`);
  }

  abstract class Hooks {
    /** Whose hooks they are, where a connection has more than one owner. */
    protected readonly role: string = '';

    @OnAccept()
    static admit() {
      return step('accept');
    }

    @OnTimeout()
    async late(conn: Line) {
      await step(`${this.role}timeout`);
      conn.send('still there?');
      return 'keep' as const;
    }

    @OnShutdown()
    async leave(conn: Line) {
      await step(`${this.role}shutdown`);
      conn.close();
    }

    @OnError()
    failed(_: Line, error: Error) {
      return step(`${this.role}error: ${error.message}`);
    }

    @OnClose()
    bye(_: Line, reason: CloseReason) {
      return step(`${this.role}close: ${reason.kind}`);
    }
  }

  class Answering extends Hooks {
    @OnConnection()
    async open(_: Line): Promise<object | void> {
      await step(`${this.role}connection`);
    }

    @OnData()
    async answer(conn: Line, line: string) {
      await step(`${this.role}data: ${line}`);
      if (line === 'throw') throw new Error('told to');
      conn.send(line);
    }
  }

  class Worker extends Answering {
    protected override readonly role = 'worker ';
  }

  @Reagent({ codec: lines() })
  class Push extends Answering {}

  @Reagent({ codec: lines() })
  class Pull extends Hooks {
    @OnConnection()
    async handle(conn: Line) {
      journal.push('handler begins');
      try {
        for await (const line of conn) {
          journal.push(`handler gets ${line}`);
          if (line === 'throw') throw new Error('told to');
          conn.send(line);
        }
        journal.push('handler gets the end');
      } finally {
        journal.push('handler ends');
      }
    }
  }

  @Reagent({ codec: lines(), scope: 'connection' })
  class Session extends Answering {
    constructor() {
      super();
      journal.push('made');
    }

    dispose() {
      journal.push('disposed');
    }
  }

  @Reagent({ codec: lines() })
  class Returning extends Answering {
    override async open(conn: Line) {
      await super.open(conn);
      return new Worker();
    }
  }

  @Reagent({ codec: lines() })
  class Passing extends Answering {
    override async answer(conn: Line, line: string) {
      conn.handOver(new Worker());
      await super.answer(conn, line);
    }
  }

  return { journal, Push, Pull, Session, Returning, Passing };
}

/** The entries of hooks that begin and end. */
function ran(...hooks: readonly string[]): string[] {
  return hooks.flatMap((hook) => [`${hook} begins`, `${hook} ends`]);
}

/** What a client does; the connection is over at the end of it. */
const conversations = {
  async visit(_: TestApp, client: TestClient) {
    for (const line of ['one\n', 'two\n']) {
      await client.send(line);
      await client.receive(line);
    }
    await client.end();
  },
  async error(_: TestApp, client: TestClient) {
    await client.send('one\n');
    await client.receive('one\n');
    await client.send('throw\nnever seen\n');
  },
  async stop(app: TestApp, client: TestClient) {
    await client.send('one\n');
    await client.receive('one\n');
    void app.application.stop();
  },
  async silence(_: TestApp, client: TestClient) {
    await client.receive('still there?\n');
    await client.end();
  },
};

type Conversation = keyof typeof conversations;

const pushed = ran('accept', 'connection');
const passed = [...ran('accept', 'connection', 'data: one'), ...ran('worker connection')];
const returned = ran('accept', 'connection', 'worker connection');

const expected: Readonly<Record<Exclude<keyof ReturnType<typeof styles>, 'journal'>, Record<Conversation, string[]>>> =
  {
    Push: {
      visit: [...pushed, ...ran('data: one', 'data: two', 'close: client')],
      error: [...pushed, ...ran('data: one', 'data: throw', 'error: told to', 'close: error')],
      stop: [...pushed, ...ran('data: one', 'shutdown', 'close: shutdown')],
      silence: [...pushed, ...ran('timeout', 'close: client')],
    },
    Pull: {
      visit: [
        ...ran('accept'),
        'handler begins',
        'handler gets one',
        'handler gets two',
        'handler gets the end',
        'handler ends',
        ...ran('close: client'),
      ],
      error: [
        ...ran('accept'),
        'handler begins',
        'handler gets one',
        'handler gets throw',
        'handler ends',
        ...ran('error: told to', 'close: error'),
      ],
      stop: [
        ...ran('accept'),
        'handler begins',
        'handler gets one',
        ...ran('shutdown'),
        'handler gets the end',
        'handler ends',
        ...ran('close: shutdown'),
      ],
      silence: [
        ...ran('accept'),
        'handler begins',
        ...ran('timeout'),
        'handler gets the end',
        'handler ends',
        ...ran('close: client'),
      ],
    },
    Session: {
      visit: [...ran('accept'), 'made', ...ran('connection', 'data: one', 'data: two', 'close: client'), 'disposed'],
      error: [
        ...ran('accept'),
        'made',
        ...ran('connection', 'data: one', 'data: throw', 'error: told to', 'close: error'),
        'disposed',
      ],
      stop: [...ran('accept'), 'made', ...ran('connection', 'data: one', 'shutdown', 'close: shutdown'), 'disposed'],
      silence: [...ran('accept'), 'made', ...ran('connection', 'timeout', 'close: client'), 'disposed'],
    },
    Returning: {
      visit: [...returned, ...ran('worker data: one', 'worker data: two', 'worker close: client')],
      error: [
        ...returned,
        ...ran('worker data: one', 'worker data: throw', 'worker error: told to', 'worker close: error'),
      ],
      stop: [...returned, ...ran('worker data: one', 'worker shutdown', 'worker close: shutdown')],
      silence: [...returned, ...ran('worker timeout', 'worker close: client')],
    },
    Passing: {
      visit: [...passed, ...ran('worker data: two', 'worker close: client')],
      error: [...passed, ...ran('worker data: throw', 'worker error: told to', 'worker close: error')],
      stop: [...passed, ...ran('worker shutdown', 'worker close: shutdown')],
      silence: [...pushed, ...ran('timeout', 'close: client')],
    },
  };

overEveryTransport('the hooks', ({ start }) => {
  const cases = Object.entries(expected).flatMap(([style, journals]) =>
    Object.entries(journals).map(([conversation, entries]) => [style, conversation, entries] as const),
  );

  it.each(cases)(
    'of %s come in their order in a conversation that ends with: %s',
    async (style, conversation, entries) => {
      const { journal, ...reagents } = styles();
      const reagent: Constructor = reagents[style as keyof typeof reagents];
      const idle = conversation === 'silence' ? IDLE_MS : false;
      await using app = await start(reagent, { descriptor: { timeouts: { idle } } });
      const client = await app.connect(reagent);
      await conversations[conversation as Conversation](app, client);
      await leave(client);
      await app.listener(reagent).waitForConnections((connections) => connections === 0);
      expect(withoutRepetition(journal)).toEqual(entries);
    },
  );
});

/** On a slow machine a client may be idle more than once before it notices. */
function withoutRepetition(journal: readonly string[]): string[] {
  return journal.filter((entry, index) => !entry.includes('timeout') || entry !== journal[index - 2]);
}
