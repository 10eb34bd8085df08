// A client that resets right behind what it has sent. libuv finds both at once, and tells of an end.

import { type CloseReason, type Connection, OnClose, OnConnection, OnData, Reagent } from '@reagent/core';
import { createTestApp, type TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Mailbox } from './support/mailbox.js';

/** How a client goes, when it has sent what it has to. */
const ways = {
  async reset(client: TestClient) {
    client.reset();
  },
  async 'end and reset'(client: TestClient) {
    await client.end();
    client.reset();
  },
};

/** What somebody sends who then goes, and why the connection has closed. All has come when the server begins to read. */
async function upload(leave: (client: TestClient) => Promise<void>, pulls: boolean): Promise<unknown[]> {
  const told = new Mailbox<unknown>();

  class Base {
    @OnClose()
    bye(_conn: Connection, { kind }: CloseReason) {
      told.put(kind);
    }
  }

  @Reagent({ port: 0 })
  class Push extends Base {
    @OnData()
    data(_conn: Connection, bytes: Buffer) {
      told.put(bytes.length);
    }
  }

  @Reagent({ port: 0 })
  class Pull extends Base {
    @OnConnection()
    async take(conn: Connection) {
      for (;;) {
        const bytes = await conn.recv().catch(({ code }: NodeJS.ErrnoException) => code);
        told.put(bytes instanceof Buffer ? bytes.length : bytes);
        if (!(bytes instanceof Buffer)) return;
      }
    }
  }

  const Class = pulls ? Pull : Push;
  await using app = await createTestApp(Class).start();
  const listener = app.listener(Class);
  const client = await app.connect(Class);
  await listener.waitForConnections((open) => open === 1);
  for (const conn of listener.connections) conn.pause();
  await client.send(Buffer.alloc(1_000));
  await leave(client);
  await client.closed();
  for (const conn of listener.connections) conn.resume();
  const all = await told.takeMany(pulls ? 3 : 2);
  await listener.waitForConnections((open) => open === 0);
  return all;
}

describe('a client that sends and goes', () => {
  it('with a reset has reset the connection, in push style', async () => {
    expect(await upload(ways.reset, false)).toEqual([1_000, 'reset']);
  });

  it('with a reset has not ended its upload, in pull style', async () => {
    expect(await upload(ways.reset, true)).toEqual([1_000, 'ERR_REAGENT_CONNECTION_CLOSED', 'reset']);
  });

  it('with a FIN, and resets then, has ended its side, in push style', async () => {
    expect(await upload(ways['end and reset'], false)).toEqual([1_000, 'client']);
  });

  it('with a FIN, and resets then, has ended its upload, in pull style', async () => {
    expect(await upload(ways['end and reset'], true)).toEqual([1_000, null, 'client']);
  });
});
