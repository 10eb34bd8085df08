// What a connection over TCP is known by.

import { networkInterfaces } from 'node:os';
import { inspect } from 'node:util';
import { type Connection, OnClose, OnConnection, OnData, Reagent } from '@reagent/core';
import { createTestApp } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Mailbox } from './support/mailbox.js';

/** An echo server, and the connections that it gets. */
function echo() {
  const opened = new Mailbox<Connection>();

  @Reagent({ port: 0 })
  class Echo {
    @OnConnection()
    open(conn: Connection) {
      opened.put(conn);
    }

    @OnData()
    echo(conn: Connection, data: Buffer) {
      conn.send(data);
    }
  }

  return { Echo, opened };
}

describe('a connection', () => {
  it('knows its ends', async () => {
    const { Echo, opened } = echo();
    await using app = await createTestApp(Echo).start();
    const client = await app.connect(Echo, { localAddress: '127.0.0.3' });
    const conn = await opened.take();
    expect(conn.remote).toEqual({ address: '127.0.0.3', port: client.localPort, family: 'IPv4' });
    expect(conn.local).toEqual({ address: '127.0.0.1', port: app.listener(Echo).port, family: 'IPv4' });
  });

  it('is printed as who it is', async () => {
    const { Echo, opened } = echo();
    await using app = await createTestApp(Echo).start();
    const client = await app.connect(Echo);
    const conn = await opened.take();
    const who = `Connection of Echo { id: ${conn.id}, remote: '127.0.0.1:${client.localPort}', secure: false`;
    expect(inspect(conn, { breakLength: Infinity })).toBe(`${who}, bytesRead: 0, bytesWritten: 0 }`);
    await client.send('hello');
    await client.receive('hello');
    await client.end();
    await conn.closed;
    expect(inspect(conn, { breakLength: Infinity })).toBe(`${who}, bytesRead: 5, bytesWritten: 5, reason: 'client' }`);
  });

  it.skipIf(!Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1')))(
    'has IPv6 addresses on an IPv6 host',
    async () => {
      const { Echo, opened } = echo();
      await using app = await createTestApp(Echo, { descriptors: { Echo: { host: '::1' } } }).start();
      const client = await app.connect(Echo);
      const conn = await opened.take();
      expect(conn.remote).toEqual({ address: '::1', port: client.localPort, family: 'IPv6' });
      expect(app.listener(Echo)).toMatchObject({ address: '::1', host: '::1' });
    },
  );

  it('still knows its ends when it has closed', async () => {
    const closed = new Mailbox<Connection>();

    @Reagent({ port: 0 })
    class Echo {
      @OnData()
      ignore() {}

      @OnClose()
      bye(conn: Connection) {
        closed.put(conn);
      }
    }

    await using app = await createTestApp(Echo).start();
    const client = await app.connect(Echo);
    const port = client.localPort;
    client.reset();
    expect((await closed.take()).remote).toEqual({ address: '127.0.0.1', port, family: 'IPv4' });
  });
});
