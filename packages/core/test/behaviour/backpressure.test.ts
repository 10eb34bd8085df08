// What is sent and not taken: bounded memory, and the ways to notice.

import {
  type CloseReason,
  type Connection,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  Reagent,
  TimeoutError,
} from '@reagent/core';
import { expect, it } from 'vitest';
import { Mailbox } from '../support/mailbox.js';
import { settled, until } from '../support/until.js';
import { overEveryTransport } from './transports.js';

const MEBIBYTE = 1024 * 1024;
/** More than the kernel buffers of both sides take. */
const MUCH = 32 * MEBIBYTE;
const LONG = { timeout: 20_000 };

overEveryTransport('a client that sends and never reads', ({ start }) => {
  it('is no longer read from, costs bounded memory, and gets everything once it reads', async () => {
    const opened = new Mailbox<Connection>();
    let received = 0;

    @Reagent()
    class Echo {
      @OnConnection()
      open(conn: Connection) {
        opened.put(conn);
      }

      @OnData()
      echo(conn: Connection, data: Buffer) {
        received += data.length;
        conn.send(data);
      }
    }

    await using app = await start(Echo);
    const client = await app.connect(Echo);
    client.pause();
    const conn = await opened.take();
    const sending = client.send(Buffer.alloc(MUCH, 'x'), LONG);

    const read = await settled(() => conn.bytesRead);
    expect(read).toBeLessThan(MUCH / 2);
    const bystander = await app.connect(Echo);
    await bystander.send('still here?');
    await bystander.receive('still here?');
    expect(await settled(() => conn.bytesRead)).toBe(read);
    expect(conn.bytesWaiting).toBeGreaterThan(65_536);

    client.resume();
    expect((await client.receive(MUCH, LONG)).length).toBe(MUCH);
    await sending;
    await until(() => conn.bytesWaiting === 0);
    expect(received).toBe(MUCH + 'still here?'.length);
  });

  it('costs bounded memory in pull style too', async () => {
    const opened = new Mailbox<Connection>();

    @Reagent()
    class Echo {
      @OnConnection()
      async echo(conn: Connection) {
        opened.put(conn);
        for await (const data of conn) conn.send(data);
      }
    }

    await using app = await start(Echo);
    const client = await app.connect(Echo);
    client.pause();
    const conn = await opened.take();
    const sending = client.send(Buffer.alloc(MUCH, 'x'), LONG);
    expect(await settled(() => conn.bytesRead)).toBeLessThan(MUCH / 2);
    client.resume();
    expect((await client.receive(MUCH, LONG)).length).toBe(MUCH);
    await sending;
  });

  it('holds back no more than highWaterMark and one chunk', async () => {
    const opened = new Mailbox<Connection>();
    const held: number[] = [];

    @Reagent({ options: { highWaterMark: 16 * 1024 } })
    class Echo {
      #sent = 0;

      @OnConnection()
      open(conn: Connection) {
        opened.put(conn);
      }

      @OnData()
      echo(conn: Connection, data: Buffer) {
        this.#sent += data.length;
        conn.send(data);
        held.push(this.#sent - conn.bytesWritten);
      }
    }

    await using app = await start(Echo);
    const client = await app.connect(Echo);
    client.pause();
    const conn = await opened.take();
    const sending = client.send(Buffer.alloc(MUCH), LONG);
    await settled(() => conn.bytesRead);
    client.resume();
    await client.receive(MUCH, LONG);
    await sending;
    expect(Math.max(...held)).toBeLessThan(256 * 1024);
  });
});

overEveryTransport('send()', ({ start }) => {
  it('returns false above highWaterMark, and drained() resolves when the client has taken enough', async () => {
    const outcome = new Mailbox<string>();

    @Reagent()
    class Source {
      @OnConnection()
      async pour(conn: Connection) {
        outcome.put(conn.send(Buffer.alloc(MUCH, 'x')) ? 'room' : 'full');
        await conn.drained();
        outcome.put(conn.send(Buffer.from('!')) ? 'drained' : 'still full');
      }
    }

    await using app = await start(Source);
    const client = await app.connect(Source);
    client.pause();
    expect(await outcome.take()).toBe('full');
    const [conn] = app.listener(Source).connections;
    await settled(() => conn?.bytesWritten ?? 0);
    expect(outcome.rest).toEqual([]);
    client.resume();
    expect(await outcome.take()).toBe('drained');
    await client.receive(MUCH, LONG);
    await client.receive('!');
    expect(await client.closed()).toBe('end');
  });

  it('in a loop with drained() streams any amount in bounded memory', async () => {
    const total = 64;
    let most = 0;

    @Reagent()
    class Source {
      @OnConnection()
      async pour(conn: Connection) {
        const chunk = Buffer.alloc(MEBIBYTE, 'x');
        for (let count = 0; count < total; count += 1) {
          if (!conn.send(chunk)) await conn.drained();
          most = Math.max(most, (count + 1) * MEBIBYTE - conn.bytesWritten);
        }
      }
    }

    await using app = await start(Source);
    const client = await app.connect(Source);
    await client.receive(total * MEBIBYTE, LONG);
    expect(await client.closed()).toBe('end');
    expect(most).toBeLessThan(4 * MEBIBYTE);
  });

  it('of many small pieces to a client that does not read is held back in order', async () => {
    @Reagent()
    class Counting {
      @OnConnection()
      async count(conn: Connection) {
        for (let index = 0; index < 200_000; index += 1) {
          if (!conn.send(`${index}\n`)) await conn.drained();
        }
      }
    }

    await using app = await start(Counting);
    const client = await app.connect(Counting);
    client.pause();
    await until(() => app.listener(Counting).stats().messages.out > 1_000);
    client.resume();
    const expected = Array.from({ length: 200_000 }, (_, index) => `${index}\n`).join('');
    await client.receive(expected, LONG);
  });
});

overEveryTransport('drained()', ({ start }) => {
  it('resolves at once where nothing waits', async () => {
    @Reagent()
    class Calm {
      @OnConnection()
      async open(conn: Connection) {
        await conn.drained();
        conn.send('small');
        await conn.drained();
        conn.send(' thing');
      }
    }

    await using app = await start(Calm);
    await (await app.connect(Calm)).receive('small thing');
  });

  it('resolves when the connection closes before', async () => {
    const outcome = new Mailbox<string>();

    @Reagent()
    class Source {
      @OnConnection()
      async pour(conn: Connection) {
        conn.send(Buffer.alloc(MUCH));
        outcome.put('full');
        await conn.drained();
        outcome.put(conn.send('more') ? 'sent' : 'not sent');
      }
    }

    await using app = await start(Source);
    const client = await app.connect(Source);
    client.pause();
    await outcome.take();
    client.reset();
    expect(await outcome.take()).toBe('not sent');
  });
});

overEveryTransport('timeouts.send', ({ start }) => {
  it('closes a connection whose client takes nothing while bytes wait', async () => {
    const errors = new Mailbox<Error>();
    const closed = new Mailbox<CloseReason>();

    @Reagent({ timeouts: { send: 100 } })
    class Source {
      @OnData()
      pour(conn: Connection) {
        conn.send(Buffer.alloc(MUCH));
      }

      @OnError()
      failed(_: Connection, error: Error) {
        errors.put(error);
      }

      @OnClose()
      bye(_: Connection, reason: CloseReason) {
        closed.put(reason);
      }
    }

    await using app = await start(Source);
    const client = await app.connect(Source);
    client.pause();
    await client.send('go');
    expect(await closed.take()).toMatchObject({ kind: 'timeout', error: { step: 'send', timeout: 100 } });
    expect(errors.all).toHaveLength(1);
    expect(errors.all[0]).toBeInstanceOf(TimeoutError);
    await app.listener(Source).waitForConnections((connections) => connections === 0);
  });

  it('also closes a connection that is being closed and never taken', async () => {
    const closed = new Mailbox<CloseReason>();

    @Reagent({ timeouts: { send: 100 } })
    class Source {
      @OnConnection()
      pour(conn: Connection) {
        conn.send(Buffer.alloc(MUCH));
      }

      @OnClose()
      bye(_: Connection, reason: CloseReason) {
        closed.put(reason);
      }
    }

    await using app = await start(Source);
    const client = await app.connect(Source);
    client.pause();
    expect(await closed.take()).toMatchObject({ kind: 'timeout', error: { step: 'send' } });
  });

  it('leaves a client alone that has taken everything', async () => {
    @Reagent({ timeouts: { send: 1_000 } })
    class Source {
      @OnData()
      pour(conn: Connection, data: Buffer) {
        conn.send(String(data) === 'much' ? Buffer.alloc(16 * MEBIBYTE) : data);
      }
    }

    await using app = await start(Source);
    const client = await app.connect(Source);
    await client.send('much');
    await client.receive(16 * MEBIBYTE, LONG);
    await client.expectNothing(1_500);
    await client.send('still here?');
    await client.receive('still here?');
  });
});
