// Stopping, at every stage of a connection's life.

import { type CloseReason, type Connection, OnClose, OnConnection, OnData, OnShutdown, Reagent } from '@reagent/core';
import { expect, it } from 'vitest';
import { Gate } from '../support/gate.js';
import { leave } from '../support/leave.js';
import { Mailbox } from '../support/mailbox.js';
import { until } from '../support/until.js';
import { overEveryTransport } from './transports.js';

@Reagent()
class Echo {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

overEveryTransport('stop()', ({ start, serverReset, refusal }) => {
  it('takes no new connection, and goes on to serve those that are open until they end', async () => {
    await using app = await start(Echo);
    const client = await app.connect(Echo);
    await client.send('before');
    await client.receive('before');
    const listener = app.listener(Echo);
    const stopping = app.application.stop({ timeout: 10_000 });
    await until(() => listener.status === 'draining');
    await expect(app.connect(Echo)).rejects.toThrow(refusal);
    await client.send('after');
    await client.receive('after');
    await client.end();
    expect(await client.closed()).toBe('end');
    await stopping;
    expect(listener.status).toBe('stopped');
  });

  it('tells OnShutdown of every open connection, which may say goodbye', async () => {
    const reasons = new Mailbox<string>();

    @Reagent()
    class Polite {
      @OnConnection()
      open(conn: Connection) {
        conn.send('hello\n');
      }

      @OnData()
      ignore() {}

      @OnShutdown()
      async leave(conn: Connection) {
        await Promise.resolve();
        conn.send('goodbye\n');
        conn.close();
      }

      @OnClose()
      bye(_: Connection, reason: CloseReason) {
        reasons.put(reason.kind);
      }
    }

    await using app = await start(Polite);
    const clients = [await app.connect(Polite), await app.connect(Polite)];
    for (const client of clients) await client.receive('hello\n');
    const stopping = app.application.stop({ timeout: 10_000 });
    for (const client of clients) {
      await client.receive('goodbye\n');
      expect(await leave(client)).toBe('end');
    }
    await stopping;
    expect(reasons.all).toEqual(['shutdown', 'shutdown']);
  });

  it('resets what is still open when the time is over', async () => {
    const reasons = new Mailbox<string>();

    @Reagent()
    class Stubborn {
      @OnConnection()
      open(conn: Connection) {
        conn.send('hello');
      }

      @OnData()
      ignore() {}

      @OnClose()
      bye(_: Connection, reason: CloseReason) {
        reasons.put(reason.kind);
      }
    }

    await using app = await start(Stubborn);
    const client = await app.connect(Stubborn);
    await client.receive('hello');
    const before = performance.now();
    await app.application.stop({ timeout: 50 });
    expect(performance.now() - before).toBeGreaterThan(30);
    expect(await client.closed()).toBe(serverReset);
    expect(reasons.all).toEqual(['shutdown']);
  });

  it('takes its time from the descriptor where none is given', async () => {
    await using app = await start(Echo, { descriptor: { timeouts: { shutdown: 50 } } });
    const client = await app.connect(Echo);
    await client.send('x');
    await client.receive('x');
    await app.application.stop();
    expect(await client.closed()).toBe(serverReset);
  });

  it('waits for an async hook that is running, and its answer is sent', async () => {
    const gate = new Gate();

    @Reagent()
    class Slow {
      @OnData()
      async data(conn: Connection) {
        await gate.passed();
        conn.send('done');
      }

      @OnShutdown()
      leave(conn: Connection) {
        conn.close();
      }
    }

    await using app = await start(Slow);
    const client = await app.connect(Slow);
    await client.send('go');
    await until(() => gate.waiting === 1);
    const listener = app.listener(Slow);
    const stopping = app.application.stop({ timeout: 10_000 });
    await until(() => listener.status === 'draining');
    await client.expectNothing(20);
    gate.open();
    await client.receive('done');
    expect(await leave(client)).toBe('end');
    await stopping;
  });

  it('tells OnShutdown while a pull-style handler waits in recv()', async () => {
    const ended = new Mailbox<unknown>();

    @Reagent()
    class Pull {
      @OnConnection()
      async handle(conn: Connection) {
        conn.send('hello ');
        ended.put(await conn.recv());
      }

      @OnShutdown()
      leave(conn: Connection) {
        conn.send('goodbye');
        conn.close();
      }
    }

    await using app = await start(Pull);
    const client = await app.connect(Pull);
    await client.receive('hello ');
    const stopping = app.application.stop({ timeout: 10_000 });
    await client.receive('goodbye');
    await leave(client);
    await stopping;
    expect(await ended.take()).toBe(null);
  });

  it('lets OnShutdown ask the client for a last word', async () => {
    @Reagent()
    class Asking {
      @OnConnection()
      open(conn: Connection) {
        conn.send('hello\n');
      }

      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }

      @OnShutdown()
      async leave(conn: Connection) {
        conn.send('any last words?\n');
        conn.send(`you said: ${await conn.recv({ until: '\n' })}`);
        conn.close();
      }
    }

    await using app = await start(Asking);
    const client = await app.connect(Asking);
    await client.receive('hello\n');
    const stopping = app.application.stop({ timeout: 10_000 });
    await client.receive('any last words?\n');
    await client.send('no\n');
    await client.receive('you said: no');
    await leave(client);
    await stopping;
  });

  it('tells OnShutdown after OnConnection where that is still running', async () => {
    const gate = new Gate();
    const journal: string[] = [];

    @Reagent()
    class SlowStart {
      @OnConnection()
      async open(conn: Connection) {
        journal.push('opening');
        await gate.passed();
        journal.push('open');
        conn.send('hello');
      }

      @OnData()
      ignore() {}

      @OnShutdown()
      leave(conn: Connection) {
        journal.push('shutdown');
        conn.close();
      }

      @OnClose()
      bye() {
        journal.push('close');
      }
    }

    await using app = await start(SlowStart);
    const client = await app.connect(SlowStart);
    await until(() => gate.waiting === 1);
    const listener = app.listener(SlowStart);
    const stopping = app.application.stop({ timeout: 10_000 });
    await until(() => listener.status === 'draining');
    gate.open();
    await client.receive('hello');
    await leave(client);
    await stopping;
    expect(journal).toEqual(['opening', 'open', 'shutdown', 'close']);
  });

  it('may be called by a hook', async () => {
    const over = new Mailbox<string>();

    @Reagent()
    class Killable {
      @OnData()
      async data(conn: Connection) {
        conn.send('stopping');
        conn.close();
        void app.application.stop({ timeout: 5_000 }).then(() => over.put('over'));
      }
    }

    await using app = await start(Killable);
    const client = await app.connect(Killable);
    await client.send('kill');
    await client.receive('stopping');
    await leave(client);
    expect(await over.take()).toBe('over');
  });

  // Both wait for a time, and do it side by side.
  it.concurrent('ends in time although a hook never settles', async () => {
    const closed = new Mailbox<CloseReason>();

    @Reagent()
    class Stuck {
      @OnData()
      data() {
        return new Promise<void>(() => {});
      }

      @OnClose()
      bye(_: Connection, reason: CloseReason) {
        closed.put(reason);
      }
    }

    await using app = await start(Stuck);
    const client = await app.connect(Stuck);
    await client.send('x');
    await until(() => app.listener(Stuck).stats().messages.in === 1);
    await app.application.stop({ timeout: 50 });
    expect(await client.closed()).toBe(serverReset);
  });

  it.concurrent('that is awaited by a hook ends when its time is over', async () => {
    const over = new Mailbox<string>();

    @Reagent()
    class Killable {
      @OnData()
      async data() {
        await app.application.stop({ timeout: 50 });
        over.put('over');
      }
    }

    await using app = await start(Killable);
    const client = await app.connect(Killable);
    await client.send('kill');
    expect(await client.closed()).toBe(serverReset);
    expect(await over.take()).toBe('over');
  });
});
