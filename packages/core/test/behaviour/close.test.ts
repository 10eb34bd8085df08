// How connections end, and what @OnClose, `closed` and `signal` tell about it.

import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type CloseReason,
  type Connection,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  OnShutdown,
  OnTimeout,
  Reagent,
  TimeoutError,
} from '@reagent/core';
import type { TestApp, TestClient } from '@reagent/testing';
import { expect, it } from 'vitest';
import { Gate } from '../support/gate.js';
import { leave } from '../support/leave.js';
import { Mailbox } from '../support/mailbox.js';
import { until } from '../support/until.js';
import { overEveryTransport, type Transport } from './transports.js';

/** An app whose connections do what the client says, and a journal of all hooks. */
async function obedient(
  { start }: Transport,
  idle?: number,
): Promise<{ app: TestApp; client: TestClient; conn: Connection; journal: string[]; closed: Mailbox<CloseReason> }> {
  const journal: string[] = [];
  const opened = new Mailbox<Connection>();
  const closed = new Mailbox<CloseReason>();

  @Reagent({ ...(idle !== undefined && { timeouts: { idle } }) })
  class Obedient {
    @OnConnection()
    open(conn: Connection) {
      journal.push('connection');
      opened.put(conn);
    }

    @OnData()
    async obey(conn: Connection, data: Buffer) {
      journal.push('data');
      const order = String(data);
      await nextTurn();
      if (order === 'close') conn.close();
      if (order === 'reset') conn.reset();
      if (order === 'throw') throw new Error('told to');
      if (order === 'close twice') {
        conn.close();
        conn.close();
        conn.reset();
      }
    }

    @OnTimeout()
    late() {
      journal.push('timeout');
    }

    @OnError()
    failed() {
      journal.push('error');
    }

    @OnShutdown()
    leave() {
      journal.push('shutdown');
    }

    @OnClose()
    async bye(_: Connection, reason: CloseReason) {
      journal.push('close');
      closed.put(reason);
    }
  }

  const app = await start(Obedient);
  const client = await app.connect(Obedient);
  const conn = await opened.take();
  // In the turn in which a handshake ends, node:tls does not notice a reset.
  await nextTurn();
  return { app, client, conn, journal, closed };
}

overEveryTransport('OnClose is called once, after every other hook, with the reason', (transport) => {
  const { start } = transport;

  it('client: the client ended its side', async () => {
    const { app, client, journal, closed } = await obedient(transport);
    await using _ = app;
    await client.send('x');
    await client.end();
    expect(await closed.take()).toEqual({ kind: 'client' });
    await app.stop();
    expect(journal).toEqual(['connection', 'data', 'close']);
  });

  it('server: the server closed', async () => {
    const { app, client, journal, closed } = await obedient(transport);
    await using _ = app;
    await client.send('close');
    expect(await leave(client)).toBe('end');
    expect(await closed.take()).toEqual({ kind: 'server' });
    await app.stop();
    expect(journal).toEqual(['connection', 'data', 'close']);
  });

  it('server: the server reset', async () => {
    const { app, client, journal, closed } = await obedient(transport);
    await using _ = app;
    await client.send('reset');
    expect(await client.closed()).toBe(transport.serverReset);
    expect(await closed.take()).toEqual({ kind: 'server' });
    await app.stop();
    expect(journal).toEqual(['connection', 'data', 'close']);
  });

  it('server: once, however often it is closed', async () => {
    const { app, client, journal, closed } = await obedient(transport);
    await using _ = app;
    await client.send('close twice');
    await leave(client);
    expect(await closed.take()).toEqual({ kind: 'server' });
    await app.stop();
    expect(journal.filter((hook) => hook === 'close')).toHaveLength(1);
  });

  it('reset: the client reset, where that can be told from an end', async () => {
    const { app, client, journal, closed } = await obedient(transport);
    await using _ = app;
    client.reset();
    expect(await closed.take()).toEqual(transport.clientReset);
    await app.stop();
    expect(journal.filter((hook) => hook !== 'error')).toEqual(['connection', 'close']);
    expect(app.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('timeout: nothing was received for too long', async () => {
    const { app, client, journal, closed } = await obedient(transport, 50);
    await using _ = app;
    await leave(client);
    const reason = await closed.take();
    expect(reason).toMatchObject({ kind: 'timeout', error: { step: 'idle', timeout: 50 } });
    expect(reason.error).toBeInstanceOf(TimeoutError);
    await app.stop();
    expect(journal).toEqual(['connection', 'timeout', 'error', 'close']);
  });

  it('error: a hook threw', async () => {
    const { app, client, journal, closed } = await obedient(transport);
    await using _ = app;
    await client.send('throw');
    await leave(client);
    expect(await closed.take()).toMatchObject({ kind: 'error', error: { message: 'told to' } });
    await app.stop();
    expect(journal).toEqual(['connection', 'data', 'error', 'close']);
  });

  it('shutdown: the application stopped', async () => {
    const { app, journal, closed } = await obedient(transport);
    await using _ = app;
    await app.application.stop({ timeout: 20 });
    expect(await closed.take()).toMatchObject({ kind: 'shutdown' });
    expect(journal.filter((hook) => hook !== 'error')).toEqual(['connection', 'shutdown', 'close']);
  });

  it('waits for an async hook that is still running', async () => {
    const gate = new Gate();
    const journal = new Mailbox<string>();
    const entered = new Mailbox<Connection>();

    @Reagent()
    class Busy {
      @OnData()
      async data(conn: Connection) {
        entered.put(conn);
        await gate.passed();
        journal.put('data left');
      }

      @OnClose()
      bye() {
        journal.put('close');
      }
    }

    await using app = await start(Busy);
    const client = await app.connect(Busy);
    await client.send('x');
    const conn = await entered.take();
    conn.reset();
    await conn.closed;
    await client.closed();
    expect(journal.all).toEqual([]);
    gate.open();
    expect(await journal.takeMany(2)).toEqual(['data left', 'close']);
  });
});

overEveryTransport('a close', (transport) => {
  const { start } = transport;

  it('flushes all that was sent before', async () => {
    const size = 8 * 1024 * 1024;

    @Reagent()
    class Generous {
      @OnData()
      answer(conn: Connection) {
        conn.send(Buffer.alloc(size, 'x'));
        conn.send('the end');
        conn.close();
      }
    }

    await using app = await start(Generous);
    const client = await app.connect(Generous);
    client.pause();
    await client.send('go');
    await until(() => app.listener(Generous).stats().messages.out === 2);
    client.resume();
    await client.receive(size, { timeout: 10_000 });
    await client.receive('the end');
    expect(await client.closed()).toBe('end');
  });

  // Both wait for a time, and do it side by side.
  it.concurrent('is complete without waiting for a client that never ends its side', async () => {
    const { app, client, closed } = await obedient(transport);
    await using _ = app;
    await client.send('close');
    expect(await client.closed()).toBe('end');
    expect(await closed.take()).toEqual({ kind: 'server' });
  });

  it.concurrent('drops what arrives after it, and calls no hook for it', async () => {
    const { app, client, journal, closed } = await obedient(transport);
    await using _ = app;
    await client.send('close');
    await client.closed();
    await client.send('too late').catch(() => {}); // Already reset, perhaps.
    await closed.take();
    expect(journal).toEqual(['connection', 'data', 'close']);
  });

  it('makes send() return false and the rest of the calls harmless', async () => {
    const { app, client, conn, closed } = await obedient(transport);
    await using _ = app;
    conn.close();
    expect(conn.send('too late')).toBe(false);
    expect(await leave(client)).toBe('end');
    await closed.take();
    expect(conn.send('far too late')).toBe(false);
    await conn.drained();
    conn.pause();
    conn.resume();
    conn.exempt();
    conn.setOptions({ noDelay: true });
    conn.shutdown('write');
    conn.shutdown('read');
    conn.close();
    conn.reset();
    expect(client.received.length).toBe(0);
    expect(app.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('takes the connection out of listener.connections', async () => {
    const { app, client, conn } = await obedient(transport);
    await using _ = app;
    const { listener } = conn;
    expect([...listener.connections]).toEqual([conn]);
    await client.end();
    await listener.waitForConnections((count) => count === 0);
    expect(listener.connections.size).toBe(0);
  });
});

overEveryTransport('a reset', ({ start, serverReset }) => {
  it('drops what was not sent, and the client sees it', async () => {
    @Reagent()
    class Rude {
      @OnData()
      answer(conn: Connection) {
        conn.send('not to be seen');
        conn.reset();
      }
    }

    await using app = await start(Rude);
    const client = await app.connect(Rude);
    await client.send('go');
    expect(await client.closed()).toBe(serverReset);
    expect(client.received.length).toBe(0);
  });
});

overEveryTransport('closed and signal', (transport) => {
  const { start } = transport;

  it('tell the reason as soon as the socket has closed, and not before', async () => {
    const { app, client, conn } = await obedient(transport);
    await using _ = app;
    expect(conn.signal.aborted).toBe(false);
    const aborted = new Promise((resolve) => conn.signal.addEventListener('abort', resolve));
    await client.end();
    expect(await conn.closed).toEqual({ kind: 'client' });
    await aborted;
    expect(conn.signal.reason).toEqual({ kind: 'client' });
  });

  it('can be asked for after the close', async () => {
    const { app, client, conn, closed } = await obedient(transport);
    await using _ = app;
    client.reset();
    await closed.take();
    expect(await conn.closed).toEqual(transport.clientReset);
    expect(conn.signal.aborted).toBe(true);
  });

  it('reach a handler that waits for something else', async () => {
    const outcome = new Mailbox<unknown>();

    @Reagent()
    class Waiting {
      @OnConnection()
      async handle(conn: Connection) {
        conn.send('waiting');
        await new Promise<void>((resolve) => conn.signal.addEventListener('abort', () => resolve()));
        outcome.put(conn.signal.reason);
      }
    }

    await using app = await start(Waiting);
    const client = await app.connect(Waiting);
    await client.receive('waiting');
    client.reset();
    // A client that seems to have ended its side may still listen: only what is sent to it tells that nobody is there.
    if (!transport.hasReset) app.listener(Waiting).broadcast('is anybody there?');
    expect(await outcome.take()).toMatchObject({ kind: 'reset' });
  });
});
