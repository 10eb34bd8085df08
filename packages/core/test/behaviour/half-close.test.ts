// The client's FIN: what came before it is delivered, what is answered to it is flushed, then comes our FIN.

import { setTimeout as delay } from 'node:timers/promises';
import { type CloseReason, type Connection, OnClose, OnConnection, OnData, Reagent } from '@reagent/core';
import type { TestClient } from '@reagent/testing';
import { expect, it } from 'vitest';
import { Gate } from '../support/gate.js';
import { Mailbox } from '../support/mailbox.js';
import { until } from '../support/until.js';
import { overEveryTransport } from './transports.js';

/** As `printf 'hi\n' | nc -N` does. */
async function sendAndEnd(client: TestClient, text = 'hi\n'): Promise<TestClient> {
  const sending = client.send(text, { timeout: 10_000 });
  await client.end({ timeout: 10_000 });
  await sending;
  return client;
}

overEveryTransport('after the client’s FIN', ({ start }) => {
  it('a push-style hook has answered, then the connection closes', async () => {
    const closed = new Mailbox<CloseReason>();

    @Reagent()
    class Echo {
      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }

      @OnClose()
      bye(_: Connection, reason: CloseReason) {
        closed.put(reason);
      }
    }

    await using app = await start(Echo);
    const client = await sendAndEnd(await app.connect(Echo));
    await client.receive('hi\n');
    expect(await client.closed()).toBe('end');
    expect(await closed.take()).toEqual({ kind: 'client' });
  });

  it('an async push-style hook still answers', async () => {
    const gate = new Gate();

    @Reagent()
    class Slow {
      @OnData()
      async echo(conn: Connection, data: Buffer) {
        await gate.passed();
        conn.send(data);
        await delay(5);
        conn.send('done\n');
      }
    }

    await using app = await start(Slow);
    const client = await sendAndEnd(await app.connect(Slow));
    await until(() => gate.waiting === 1);
    await client.expectNothing(20);
    gate.open();
    await client.receive('hi\ndone\n');
    expect(await client.closed()).toBe('end');
  });

  it('all of several chunks are answered one after the other', async () => {
    @Reagent()
    class Slow {
      @OnData()
      async echo(conn: Connection, data: Buffer) {
        await delay(1);
        conn.send(data);
      }
    }

    const text = 'x'.repeat(1024 * 1024);
    await using app = await start(Slow);
    const client = await sendAndEnd(await app.connect(Slow), text);
    await client.receive(text, { timeout: 10_000 });
    expect(await client.closed()).toBe('end');
  });

  it('what a slow OnConnection has not seen yet is delivered to OnData', async () => {
    const gate = new Gate();

    @Reagent()
    class SlowStart {
      @OnConnection()
      async open() {
        await gate.passed();
      }

      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }

    await using app = await start(SlowStart);
    const client = await sendAndEnd(await app.connect(SlowStart));
    await until(() => gate.waiting === 1);
    gate.open();
    await client.receive('hi\n');
    expect(await client.closed()).toBe('end');
  });

  it('a pull-style handler reads what came before it, then null, and may still send', async () => {
    const closed = new Mailbox<CloseReason>();

    @Reagent()
    class Pull {
      @OnConnection()
      async handle(conn: Connection) {
        let text = '';
        for (let data = await conn.recv(); data !== null; data = await conn.recv()) text += data;
        await delay(5);
        conn.send(`got ${text}`);
      }

      @OnClose()
      bye(_: Connection, reason: CloseReason) {
        closed.put(reason);
      }
    }

    await using app = await start(Pull);
    const client = await sendAndEnd(await app.connect(Pull));
    await client.receive('got hi\n');
    expect(await client.closed()).toBe('end');
    expect(await closed.take()).toEqual({ kind: 'client' });
  });

  it('a pull-style handler that starts to read late loses nothing', async () => {
    const gate = new Gate();

    @Reagent()
    class Late {
      @OnConnection()
      async handle(conn: Connection) {
        await gate.passed();
        for await (const data of conn) conn.send(data);
      }
    }

    await using app = await start(Late);
    const client = await sendAndEnd(await app.connect(Late));
    await until(() => gate.waiting === 1);
    gate.open();
    await client.receive('hi\n');
    expect(await client.closed()).toBe('end');
  });

  it('a client that sent nothing at all gets our FIN', async () => {
    const closed = new Mailbox<CloseReason>();

    @Reagent()
    class Echo {
      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }

      @OnClose()
      bye(_: Connection, reason: CloseReason) {
        closed.put(reason);
      }
    }

    await using app = await start(Echo);
    const client = await app.connect(Echo);
    await client.end();
    expect(await client.closed()).toBe('end');
    expect(client.received.length).toBe(0);
    expect(await closed.take()).toEqual({ kind: 'client' });
  });

  it('an answer that takes long to be taken is flushed whole', async () => {
    const size = 16 * 1024 * 1024;

    @Reagent()
    class Large {
      @OnData()
      answer(conn: Connection) {
        conn.send(Buffer.alloc(size, 'x'));
      }
    }

    await using app = await start(Large);
    const client = await app.connect(Large);
    client.pause();
    await client.send('go');
    await client.end();
    await until(() => app.listener(Large).stats().messages.out === 1);
    client.resume();
    expect((await client.receive(size, { timeout: 10_000 })).length).toBe(size);
    expect(await client.closed()).toBe('end');
  });
});

overEveryTransport('our own FIN first', ({ start }) => {
  it('shutdown("write") flushes and ends our side, and still receives', async () => {
    const closed = new Mailbox<CloseReason>();
    const received = new Mailbox<string>();

    @Reagent()
    class EndsFirst {
      @OnConnection()
      open(conn: Connection) {
        conn.send('that is all');
        conn.shutdown('write');
        expect(conn.send('too late')).toBe(false);
      }

      @OnData()
      data(_: Connection, data: Buffer) {
        received.put(String(data));
      }

      @OnClose()
      bye(_: Connection, reason: CloseReason) {
        closed.put(reason);
      }
    }

    await using app = await start(EndsFirst);
    const client = await app.connect(EndsFirst);
    expect(await client.closed()).toBe('end');
    expect(client.received.toString()).toBe('that is all');
    await client.send('one');
    expect(await received.take()).toBe('one');
    await client.send('two');
    expect(await received.take()).toBe('two');
    expect(closed.all).toEqual([]);
    await client.end();
    await closed.take();
    expect(closed.all).toHaveLength(1);
  });

  it('shutdown("write") in a pull-style handler leaves recv() to it', async () => {
    const received = new Mailbox<string>();

    @Reagent()
    class EndsFirst {
      @OnConnection()
      async handle(conn: Connection) {
        conn.send('question');
        conn.shutdown('write');
        for await (const data of conn) received.put(String(data));
        received.put('end');
      }
    }

    await using app = await start(EndsFirst);
    const client = await app.connect(EndsFirst);
    await client.receive('question');
    expect(await client.closed()).toBe('end');
    await client.send('answer');
    await client.end();
    expect(await received.takeMany(2)).toEqual(['answer', 'end']);
  });

  it('shutdown("read") drops further input and still sends', async () => {
    const received: string[] = [];
    const opened = new Mailbox<Connection>();

    @Reagent()
    class Deaf {
      @OnConnection()
      open(conn: Connection) {
        conn.shutdown('read');
        opened.put(conn);
      }

      @OnData()
      data(_: Connection, data: Buffer) {
        received.push(String(data));
      }
    }

    await using app = await start(Deaf);
    const client = await app.connect(Deaf);
    const conn = await opened.take();
    await client.send('unheard');
    conn.send('still talking');
    await client.receive('still talking');
    conn.close();
    await client.closed();
    expect(received).toEqual([]);
  });

  it('shutdown("both") closes', async () => {
    const closed = new Mailbox<CloseReason>();

    @Reagent()
    class Closing {
      @OnData()
      data(conn: Connection, data: Buffer) {
        conn.send(data);
        conn.shutdown('both');
      }

      @OnClose()
      bye(_: Connection, reason: CloseReason) {
        closed.put(reason);
      }
    }

    await using app = await start(Closing);
    const client = await app.connect(Closing);
    await client.send('bye');
    await client.receive('bye');
    expect(await client.closed()).toBe('end');
    await client.end();
    expect(await closed.take()).toEqual({ kind: 'server' });
  });
});
