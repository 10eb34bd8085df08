// timeouts.idle: nothing was received for so long. Most tests wait for time to pass, and do it side by side.

import { setTimeout as delay } from 'node:timers/promises';
import {
  type CloseReason,
  type Connection,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  OnTimeout,
  Reagent,
  TimeoutError,
} from '@reagent/core';
import { expect, it } from 'vitest';
import { Gate } from '../support/gate.js';
import { leave } from '../support/leave.js';
import { Mailbox } from '../support/mailbox.js';
import { until } from '../support/until.js';
import { overEveryTransport } from './transports.js';

const LONG = { timeout: 5_000 };

overEveryTransport('an idle connection', ({ start }) => {
  it.concurrent('is closed, and OnError gets the TimeoutError', async () => {
    const journal = new Mailbox<unknown>();

    @Reagent({ timeouts: { idle: 60 } })
    class Impatient {
      #since = 0;

      @OnConnection()
      open() {
        this.#since = performance.now();
      }

      @OnData()
      ignore() {}

      @OnError()
      failed(conn: Connection, error: Error) {
        journal.put(performance.now() - this.#since);
        conn.send('too slow');
        journal.put(error);
      }

      @OnClose()
      bye(_: Connection, reason: CloseReason) {
        journal.put(reason);
      }
    }

    await using app = await start(Impatient);
    const client = await app.connect(Impatient);
    await client.receive('too slow', LONG);
    await leave(client);
    expect(await journal.take()).toBeGreaterThan(55);
    expect(await journal.take()).toMatchObject({ code: 'ERR_REAGENT_TIMEOUT', step: 'idle', timeout: 60 });
    expect(await journal.take()).toMatchObject({ kind: 'timeout', error: { step: 'idle' } });
    expect(app.listener(Impatient).stats().connections.closed.timeout).toBe(1);
  });

  it.concurrent('asks OnTimeout first, which may keep it, each time anew', async () => {
    const asked = new Mailbox<number>();
    let count = 0;

    @Reagent({ timeouts: { idle: 40 } })
    class Patient {
      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }

      @OnTimeout()
      async late(conn: Connection) {
        count += 1;
        asked.put(count);
        if (count > 3) return undefined;
        conn.send('ping\n');
        return 'keep' as const;
      }
    }

    await using app = await start(Patient);
    const client = await app.connect(Patient);
    for (let round = 0; round < 3; round += 1) expect(await client.line(LONG)).toBe('ping');
    expect(await leave(client)).toBe('end');
    expect(asked.all).toEqual([1, 2, 3, 4]);
    expect(app.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it.concurrent('is not one from which something arrives now and then', async () => {
    const asked = new Mailbox<string>();

    @Reagent({ timeouts: { idle: 400 } })
    class Impatient {
      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }

      @OnTimeout()
      late() {
        asked.put('late');
      }
    }

    await using app = await start(Impatient);
    const client = await app.connect(Impatient);
    const end = performance.now() + 1_000;
    while (performance.now() < end) {
      await client.send('x');
      await client.receive('x');
      await client.expectNothing(20);
    }
    expect(asked.all).toEqual([]);
    await asked.take();
    await leave(client);
  });

  it.concurrent('is one also while the server sends to it', async () => {
    const closed = new Mailbox<CloseReason>();

    @Reagent({ timeouts: { idle: 100 } })
    class Ticker {
      @OnConnection()
      open(conn: Connection) {
        const timer = setInterval(() => conn.send('tick '), 5);
        conn.signal.addEventListener('abort', () => clearInterval(timer));
      }

      @OnData()
      ignore() {}

      @OnClose()
      bye(_: Connection, reason: CloseReason) {
        closed.put(reason);
      }
    }

    await using app = await start(Ticker);
    await leave(await app.connect(Ticker));
    expect(await closed.take()).toMatchObject({ kind: 'timeout' });
  });

  it.concurrent('is one also in pull style, where a recv() that waits throws', async () => {
    const outcome = new Mailbox<unknown>();

    @Reagent({ timeouts: { idle: 60 } })
    class Pull {
      @OnConnection()
      async handle(conn: Connection) {
        outcome.put(await conn.recv().catch((error: unknown) => error));
      }
    }

    await using app = await start(Pull);
    const client = await app.connect(Pull);
    const error = await outcome.take();
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ step: 'idle', timeout: 60 });
    await leave(client);
  });

  it.concurrent('lets OnTimeout run, and keep it, while a pull-style handler waits in recv()', async () => {
    const asked = new Mailbox<string>();

    @Reagent({ timeouts: { idle: 50 } })
    class Pull {
      @OnConnection()
      async handle(conn: Connection) {
        for await (const data of conn) conn.send(data);
      }

      @OnTimeout()
      late() {
        asked.put('late');
        return 'keep' as const;
      }
    }

    await using app = await start(Pull);
    const client = await app.connect(Pull);
    await asked.takeMany(2);
    await client.send('still here');
    await client.receive('still here');
  });

  it.concurrent('is not one whose hook is at work on what it sent', async () => {
    const gate = new Gate();
    const asked = new Mailbox<string>();

    @Reagent({ timeouts: { idle: 300 } })
    class Slow {
      @OnData()
      async work(conn: Connection, data: Buffer) {
        await gate.passed();
        conn.send(data);
      }

      @OnTimeout()
      late() {
        asked.put('late');
      }
    }

    await using app = await start(Slow);
    const client = await app.connect(Slow);
    await client.send('one');
    await until(() => gate.waiting === 1);
    await client.send('two');
    await client.expectNothing(700);
    gate.open();
    await client.receive('onetwo');
    await client.send('three');
    await client.receive('three');
    expect(asked.all).toEqual([]);
    expect(await asked.take()).toBe('late');
  });

  it.concurrent('has its full time again when a hook has finished', async () => {
    const asked = new Mailbox<string>();

    @Reagent({ timeouts: { idle: 500 } })
    class Slow {
      @OnData()
      async work(conn: Connection, data: Buffer) {
        await delay(400);
        conn.send(data);
      }

      @OnTimeout()
      late() {
        asked.put('late');
      }
    }

    await using app = await start(Slow);
    const client = await app.connect(Slow);
    await client.send('one');
    await client.receive('one');
    await client.expectNothing(350);
    expect(asked.all).toEqual([]);
    expect(await asked.take()).toBe('late');
  });

  it.concurrent('has its full time when a pull-style handler asks for more', async () => {
    const asked = new Mailbox<string>();

    @Reagent({ timeouts: { idle: 500 } })
    class Slow {
      @OnConnection()
      async work(conn: Connection) {
        await delay(400);
        conn.send('now');
        await conn.recv();
      }

      @OnTimeout()
      late() {
        asked.put('late');
      }
    }

    await using app = await start(Slow);
    const client = await app.connect(Slow);
    await client.receive('now');
    await client.expectNothing(350);
    expect(asked.all).toEqual([]);
    expect(await asked.take()).toBe('late');
  });

  it.concurrent('may be asked by OnTimeout whether it is still there', async () => {
    @Reagent({ timeouts: { idle: 60 } })
    class Pinging {
      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }

      @OnTimeout()
      async late(conn: Connection): Promise<'keep' | void> {
        conn.send('ping');
        const answer = await conn.recv(4);
        if (String(answer) === 'pong') return 'keep';
      }
    }

    await using app = await start(Pinging);
    const client = await app.connect(Pinging);
    for (let round = 0; round < 2; round += 1) {
      await client.receive('ping');
      await client.send('pong');
    }
    await client.receive('ping');
    await client.send('what');
    await leave(client);
  });

  it.concurrent('alone is closed, and not one beside it', async () => {
    @Reagent({ timeouts: { idle: 300 } })
    class Echo {
      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }

    await using app = await start(Echo);
    const idle = await app.connect(Echo);
    const busy = await app.connect(Echo);
    const closed = idle.closed(LONG);
    let over = false;
    void closed.then(() => {
      over = true;
    });
    while (!over) {
      await busy.send('x');
      await busy.receive('x');
      await busy.expectNothing(5);
    }
    await busy.send('y');
    await busy.receive('y');
  });

  it('is not one whose bytes lie in the kernel, because the process was held up for longer than the limit', async () => {
    const idle = 100;

    @Reagent({ timeouts: { idle } })
    class Echo {
      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }

    await using app = await start(Echo);
    const client = await app.connect(Echo);
    await client.send('x');
    await client.receive('x');
    // From here to the end of the loop, nobody looks at a socket.
    const sent = client.send('y');
    for (const start = performance.now(); performance.now() - start < 3 * idle; );
    await sent;
    await client.receive('y');
  });
});
