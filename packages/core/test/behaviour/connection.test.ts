// What a connection knows about itself and carries for its users.

import { type Connection, OnClose, OnConnection, OnData, Reagent } from '@reagent/core';
import { expect, it } from 'vitest';
import { Mailbox } from '../support/mailbox.js';
import { overEveryTransport } from './transports.js';

overEveryTransport('a connection', ({ start, secure }) => {
  it('knows its listener, whether it is encrypted, and a number of its own', async () => {
    const opened = new Mailbox<Connection>();

    @Reagent()
    class Echo {
      @OnConnection()
      open(conn: Connection) {
        opened.put(conn);
      }

      @OnData()
      ignore() {}
    }

    await using app = await start(Echo);
    await Promise.all([app.connect(Echo), app.connect(Echo)]);
    const [first, second] = await opened.takeMany(2);
    expect(first).toMatchObject({ listener: app.listener(Echo), secure });
    expect(first?.id).not.toBe(second?.id);
  });

  it('counts the bytes it has read and written', async () => {
    const closed = new Mailbox<Connection>();

    @Reagent()
    class Doubling {
      @OnData()
      double(conn: Connection, data: Buffer) {
        conn.send(data);
        conn.send(data);
      }

      @OnClose()
      bye(conn: Connection) {
        closed.put(conn);
      }
    }

    await using app = await start(Doubling);
    const client = await app.connect(Doubling);
    await client.send('12345');
    await client.receive('1234512345');
    const [open] = app.listener(Doubling).connections;
    expect([open?.bytesRead, open?.bytesWritten]).toEqual([5, 10]);
    await client.end();
    const conn = await closed.take();
    expect([conn.bytesRead, conn.bytesWritten]).toEqual([5, 10]);
    expect(app.listener(Doubling).stats().bytes).toEqual({ in: 5, out: 10 });
  });

  it('takes the options of its listener, and its own', async () => {
    const outcome = new Mailbox<unknown>();

    @Reagent({ options: { highWaterMark: 10 } })
    class Marked {
      @OnData()
      send(conn: Connection) {
        const before = [conn.send('1234567890'), conn.send('1')];
        conn.setOptions({ highWaterMark: 20, noDelay: false, keepAlive: false });
        outcome.put([...before, conn.send('2'), conn.send('1234567890')]);
      }
    }

    await using app = await start(Marked);
    const client = await app.connect(Marked);
    await client.send('go');
    expect(await outcome.take()).toEqual([true, false, true, false]);
    await client.receive('1234567890121234567890');
  });
});

overEveryTransport('env', ({ start }) => {
  it('is a connection’s own, with the listener’s values behind it', async () => {
    const opened = new Mailbox<Connection>();

    @Reagent({ env: { region: 'north', tier: 'free' } })
    class Tagged {
      @OnConnection()
      open(conn: Connection) {
        opened.put(conn);
      }

      @OnData()
      ignore() {}
    }

    await using app = await start(Tagged);
    await app.connect(Tagged);
    const first = await opened.take();
    await app.connect(Tagged);
    const second = await opened.take();
    first.env.tier = 'paid';
    first.env.user = 'anna';
    expect([first.env.region, first.env.tier, first.env.user]).toEqual(['north', 'paid', 'anna']);
    expect([second.env.region, second.env.tier, second.env.user]).toEqual(['north', 'free', undefined]);
    expect(app.listener(Tagged).env).toEqual({ region: 'north', tier: 'free' });

    app.listener(Tagged).env.region = 'south';
    expect([first.env.region, second.env.region]).toEqual(['south', 'south']);
    expect(first.env.toString).toBe(undefined);
  });

  it('is still there in OnClose, and deleted after it', async () => {
    const seen = new Mailbox<unknown>();
    const closed = new Mailbox<Connection>();

    @Reagent()
    class Tagged {
      @OnConnection()
      open(conn: Connection) {
        conn.env.user = 'anna';
      }

      @OnData()
      ignore() {}

      @OnClose()
      async bye(conn: Connection) {
        await conn.closed;
        seen.put(conn.env.user);
        closed.put(conn);
      }
    }

    await using app = await start(Tagged);
    const client = await app.connect(Tagged);
    await client.end();
    expect(await seen.take()).toBe('anna');
    const conn = await closed.take();
    await app.stop();
    expect(conn.env.user).toBe(undefined);
  });

  it('is not shared between two applications of one reagent', async () => {
    @Reagent({ env: { region: 'north' } })
    class Tagged {
      @OnData()
      ignore() {}
    }

    await using first = await start(Tagged);
    await using second = await start(Tagged);
    first.listener(Tagged).env.region = 'south';
    expect(second.listener(Tagged).env.region).toBe('north');
  });
});

overEveryTransport('broadcast()', ({ start }) => {
  it('sends to every open connection of a listener', async () => {
    const opened = new Mailbox<Connection>();

    @Reagent()
    class Room {
      @OnConnection()
      open(conn: Connection) {
        opened.put(conn);
      }

      @OnData()
      say(conn: Connection, data: Buffer) {
        conn.listener.broadcast(data);
      }
    }

    await using app = await start(Room);
    const clients = await Promise.all([1, 2, 3].map(() => app.connect(Room)));
    await opened.takeMany(3);
    await clients[0]?.send('hello all');
    for (const client of clients) await client.receive('hello all');
  });
});
