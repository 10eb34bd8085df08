// Reagents with @OnData: the framework reads, the method answers.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Connection, OnClose, OnConnection, OnData, Reagent } from '@reagent/core';
import { expect, it } from 'vitest';
import { Gate } from '../support/gate.js';
import { Mailbox } from '../support/mailbox.js';
import { settled, until } from '../support/until.js';
import { overEveryTransport } from './transports.js';

@Reagent()
class Echo {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

/** For what takes a while on a slow machine. */
const LONG = { timeout: 10_000 };

/** Bytes in which every position is recognisable. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index + 4 <= length; index += 4) bytes.writeUInt32BE(index, index);
  return bytes;
}

overEveryTransport('a push-style reagent', ({ start }) => {
  it('answers what arrives, in order and unchanged', async () => {
    await using app = await start(Echo);
    const client = await app.connect(Echo);
    const bytes = pattern(4 * 1024 * 1024);
    const sending = client.send(bytes, LONG);
    await client.receive(bytes, LONG);
    await sending;
  });

  it('serves many connections independently', async () => {
    await using app = await start(Echo);
    const clients = await Promise.all(Array.from({ length: 100 }, () => app.connect(Echo, LONG)));
    await Promise.all(clients.map((client, index) => client.send(`client ${index}`)));
    for (const [index, client] of clients.entries()) await client.receive(`client ${index}`);
    for (const client of clients) await client.expectNothing(0);
  });

  it('may send before anything has arrived', async () => {
    @Reagent()
    class Greeting {
      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello, ');
      }

      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }

    await using app = await start(Greeting);
    const client = await app.connect(Greeting);
    await client.send('world');
    await client.receive('hello, world');
  });

  it('gets data only after OnConnection has finished', async () => {
    const gate = new Gate();
    const hooks = new Mailbox<string>();

    @Reagent()
    class Slow {
      @OnConnection()
      async prepare() {
        hooks.put('connection entered');
        await gate.passed();
        hooks.put('connection left');
      }

      @OnData()
      data(conn: Connection, data: Buffer) {
        hooks.put(`data ${data}`);
        conn.send('done');
      }
    }

    await using app = await start(Slow);
    const client = await app.connect(Slow);
    await client.send('early');
    await hooks.take();
    await nextTurn();
    expect(hooks.rest).toEqual([]);
    gate.open();
    await client.receive('done');
    expect(hooks.all).toEqual(['connection entered', 'connection left', 'data early']);
  });

  it('never has two hooks of one connection run at the same time', async () => {
    const log: string[] = [];
    const closed = new Mailbox<string>();

    @Reagent()
    class Slow {
      @OnConnection()
      async open() {
        log.push('<');
        await nextTurn();
        log.push('>');
      }

      @OnData()
      async data(conn: Connection, data: Buffer) {
        log.push('<');
        await nextTurn();
        conn.send(data);
        await nextTurn();
        log.push('>');
      }

      @OnClose()
      async close() {
        log.push('<');
        await nextTurn();
        log.push('>');
        closed.put('closed');
      }
    }

    await using app = await start(Slow);
    const client = await app.connect(Slow);
    for (let index = 0; index < 50; index += 1) {
      await client.send(`${index} `);
      await nextTurn();
    }
    await client.end();
    await client.closed();
    await closed.take();
    expect(client.received.toString()).toBe(Array.from({ length: 50 }, (_, index) => `${index} `).join(''));
    expect(log.join('')).toMatch(/^(<>)+$/);
  });

  it('has hooks of different connections run at the same time', async () => {
    const gate = new Gate();

    @Reagent()
    class Slow {
      @OnData()
      async data(conn: Connection, data: Buffer) {
        if (String(data) === 'wait') await gate.passed();
        conn.send(data);
      }
    }

    await using app = await start(Slow);
    const [slow, quick] = [await app.connect(Slow), await app.connect(Slow)];
    await slow.send('wait');
    await until(() => gate.waiting === 1);
    await quick.send('quick');
    await quick.receive('quick');
    gate.open();
    await slow.receive('wait');
  });

  it('is not read from while an async OnData runs', async () => {
    const gate = new Gate();
    const entered = new Mailbox<Connection>();

    @Reagent()
    class Slow {
      #bytes = 0;

      @OnData()
      async data(conn: Connection, data: Buffer) {
        this.#bytes += data.length;
        entered.put(conn);
        await gate.passed();
        if (this.#bytes === 32 * 1024 * 1024) conn.send('all');
      }
    }

    await using app = await start(Slow);
    const client = await app.connect(Slow);
    const sending = client.send(Buffer.alloc(32 * 1024 * 1024), LONG);
    const conn = await entered.take();
    expect(await settled(() => conn.bytesRead)).toBeLessThan(1024 * 1024);
    expect(entered.all).toHaveLength(1);
    gate.open();
    await sending;
    await client.receive('all', LONG);
  });

  it('sends all that is sent within a tick in one write', async () => {
    @Reagent()
    class Chatty {
      @OnData()
      chat(conn: Connection) {
        for (let index = 0; index < 32; index += 1) conn.send(`line ${index}\n`);
      }
    }

    await using app = await start(Chatty);
    const client = await app.connect(Chatty);
    await client.send('go');
    const first = await client.recv();
    expect(String(first)).toBe(Array.from({ length: 32 }, (_, index) => `line ${index}\n`).join(''));
  });

  it('may send outside of a hook', async () => {
    const opened = new Mailbox<Connection>();

    @Reagent()
    class Quiet {
      @OnConnection()
      keep(conn: Connection) {
        opened.put(conn);
      }

      @OnData()
      ignore() {}
    }

    await using app = await start(Quiet);
    const client = await app.connect(Quiet);
    const conn = await opened.take();
    await nextTurn();
    expect(conn.send('by the way')).toBe(true);
    await client.receive('by the way');
  });

  it('sends text, buffers and byte arrays', async () => {
    @Reagent()
    class Mixed {
      @OnData()
      answer(conn: Connection) {
        conn.send('text ');
        conn.send(Buffer.from('buffer '));
        conn.send(new Uint8Array([0x61, 0x72, 0x72, 0x61, 0x79]));
      }
    }

    await using app = await start(Mixed);
    const client = await app.connect(Mixed);
    await client.send('go');
    await client.receive('text buffer array');
  });
});

overEveryTransport('pause and resume', ({ start }) => {
  it('stops data and its end until it is resumed, and loses none', async () => {
    const opened = new Mailbox<Connection>();
    const got: string[] = [];

    @Reagent()
    class Paused {
      @OnConnection()
      wait(conn: Connection) {
        conn.pause();
        opened.put(conn);
      }

      @OnData()
      data(conn: Connection, data: Buffer) {
        got.push(String(data));
        conn.send(data);
      }
    }

    await using app = await start(Paused);
    const client = await app.connect(Paused);
    const conn = await opened.take();
    await client.send('held back');
    await client.end();
    await client.expectNothing(30);
    expect(got).toEqual([]);
    conn.resume();
    await client.receive('held back');
    expect(await client.closed()).toBe('end');
  });

  it('lets no second message through once a hook has paused', async () => {
    const opened = new Mailbox<Connection>();

    @Reagent()
    class OneByOne {
      @OnData()
      data(conn: Connection, data: Buffer) {
        conn.pause();
        conn.send(data);
        opened.put(conn);
      }
    }

    await using app = await start(OneByOne);
    const client = await app.connect(OneByOne);
    await client.send('one');
    await client.receive('one');
    const conn = await opened.take();
    await client.send('two');
    await client.expectNothing(30);
    conn.resume();
    await client.receive('two');
    conn.resume();
  });

  it('keeps the memory of a paused connection bounded', async () => {
    const opened = new Mailbox<Connection>();

    @Reagent()
    class Paused {
      @OnConnection()
      wait(conn: Connection) {
        conn.pause();
        opened.put(conn);
      }

      @OnData()
      ignore() {}
    }

    await using app = await start(Paused);
    const client = await app.connect(Paused);
    const conn = await opened.take();
    const sending = client.send(Buffer.alloc(32 * 1024 * 1024), LONG);
    expect(await settled(() => conn.bytesRead)).toBeLessThan(1024 * 1024);
    conn.resume();
    await sending;
  });
});
