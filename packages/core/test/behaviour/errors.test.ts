// An error stays with its connection: it is seen once in @OnError, the log and the counters, and nobody else notices.

import {
  type CloseReason,
  type Connection,
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
import { describe, expect, it } from 'vitest';
import { Gate } from '../support/gate.js';
import { leave } from '../support/leave.js';
import { Mailbox } from '../support/mailbox.js';
import { overEveryTransport, type Transport } from './transports.js';

type Hook = 'connection' | 'data' | 'timeout' | 'shutdown' | 'error' | 'close';

/** A reagent of which one hook fails for the first connection. */
async function failing({ start }: Transport, hook: Hook, fail: () => unknown) {
  const errors = new Mailbox<Error>();
  const closed = new Mailbox<{ first: boolean; reason: CloseReason }>();
  let first: Connection | undefined;
  const failsIn = (conn: Connection, here: Hook): unknown => (conn === first && here === hook ? fail() : undefined);

  @Reagent({ timeouts: { idle: hook === 'timeout' ? 60 : false } })
  class Failing {
    @OnConnection()
    async open(conn: Connection) {
      first ??= conn;
      await failsIn(conn, 'connection');
      conn.send('hello\n');
    }

    @OnData()
    data(conn: Connection, data: Buffer): undefined | Promise<void> {
      conn.send(data);
      if (hook === 'error' && conn === first) throw new Error('the cause');
      return failsIn(conn, 'data') as undefined | Promise<void>;
    }

    @OnTimeout()
    late(conn: Connection): 'keep' | Promise<'keep'> {
      return (failsIn(conn, 'timeout') as undefined | Promise<'keep'>) ?? 'keep';
    }

    @OnShutdown()
    leave(conn: Connection): undefined | Promise<void> {
      if (conn !== first) conn.close();
      return failsIn(conn, 'shutdown') as undefined | Promise<void>;
    }

    @OnError()
    failed(conn: Connection, error: Error): undefined | Promise<void> {
      errors.put(error);
      return failsIn(conn, 'error') as undefined | Promise<void>;
    }

    @OnClose()
    bye(conn: Connection, reason: CloseReason): undefined | Promise<void> {
      closed.put({ first: conn === first, reason });
      return failsIn(conn, 'close') as undefined | Promise<void>;
    }
  }

  const app = await start(Failing);
  const client = await app.connect(Failing);
  if (hook !== 'connection') await client.receive('hello\n');
  else await leave(client);
  const bystander = await app.connect(Failing);
  await bystander.receive('hello\n');
  return { app, listener: app.listener(Failing), client, bystander, errors, closed };
}

type Failed = Awaited<ReturnType<typeof failing>>;

async function stillServed(client: TestClient): Promise<void> {
  await client.send('still here?');
  await client.receive('still here?');
}

/** Its connection has ended with the error that it was told to fail with, which is told once, and the other is served as before. */
async function endedAlone({ app, listener, bystander, errors, closed }: Failed): Promise<void> {
  expect(await closed.take()).toMatchObject({
    first: true,
    reason: { kind: 'error', error: { message: 'told to' } },
  });
  await stillServed(bystander);
  expect(errors.all.map(({ message }) => message)).toEqual(['told to']);
  expect(logged(app, 'told to')).toBe(1);
  expect(listener.stats()).toMatchObject({ handlerErrors: 1, connections: { active: 1, closed: { error: 1 } } });
}

/** The events that carry an error with this message. */
function logged(app: TestApp, message: string): number {
  return app.logs.filter(({ fields }) =>
    Object.values(fields).some((value) => value instanceof Error && value.message === message),
  ).length;
}

overEveryTransport('errors', (transport) => {
  const { start, serverReset } = transport;

  describe.each([
    [
      'that throws',
      () => {
        throw new Error('told to');
      },
    ],
    ['that rejects', () => Promise.reject(new Error('told to'))],
  ])('a hook %s closes its connection alone and is told once:', (_, fail) => {
    it('OnAccept, which has the client turned away', async () => {
      const hooks = new Mailbox<string>();
      let turn = 0;

      @Reagent()
      class Failing {
        @OnAccept()
        admit() {
          turn += 1;
          return turn === 1 ? fail() : undefined;
        }

        @OnConnection()
        hello(conn: Connection) {
          hooks.put('connection');
          conn.send('hello');
        }

        @OnClose()
        bye() {
          hooks.put('close');
        }

        @OnError()
        failed() {
          hooks.put('error');
        }
      }

      await using app = await start(Failing);
      const refused = await app.connect(Failing, { secure: false });
      expect(await refused.closed()).toBe(serverReset);
      expect(hooks.all).not.toContain('connection');
      expect(hooks.all).not.toContain('close');
      expect(app.listener(Failing).stats().connections.rejected.accept).toBe(1);
      expect(app.listener(Failing).stats().handlerErrors).toBe(1);
      expect(
        app.logs.filter(({ fields }) => Object.values(fields).some((value) => value instanceof Error)),
      ).toHaveLength(1);
      await (await app.connect(Failing)).receive('hello');
    });

    it('OnConnection', async () => {
      const failed = await failing(transport, 'connection', fail);
      await using _ = failed.app;
      await endedAlone(failed);
    });

    it('OnData', async () => {
      const failed = await failing(transport, 'data', fail);
      await using _ = failed.app;
      await failed.client.send('x');
      await leave(failed.client);
      await endedAlone(failed);
    });

    it('OnTimeout', async () => {
      const failed = await failing(transport, 'timeout', fail);
      await using _ = failed.app;
      await leave(failed.client);
      await endedAlone(failed);
    });

    it('OnShutdown', async () => {
      const { app, listener, client, bystander, errors, closed } = await failing(transport, 'shutdown', fail);
      await using _ = app;
      await Promise.all([app.application.stop({ timeout: 2_000 }), leave(client), leave(bystander)]);
      expect((await closed.takeMany(2)).find(({ first }) => first)).toMatchObject({
        reason: { kind: 'error', error: { message: 'told to' } },
      });
      expect(errors.all.map(({ message }) => message)).toEqual(['told to']);
      expect(logged(app, 'told to')).toBe(1);
      expect(listener.stats()).toMatchObject({ handlerErrors: 1, connections: { active: 0, closed: { error: 1 } } });
    });

    it('OnError, which is not asked about itself', async () => {
      const { app, listener, client, bystander, errors, closed } = await failing(transport, 'error', fail);
      await using _ = app;
      await client.send('x');
      await leave(client);
      expect(await closed.take()).toMatchObject({
        first: true,
        reason: { kind: 'error', error: { message: 'the cause' } },
      });
      await stillServed(bystander);
      expect(errors.all.map(({ message }) => message)).toEqual(['the cause']);
      expect([logged(app, 'the cause'), logged(app, 'told to')]).toEqual([1, 1]);
      expect(listener.stats()).toMatchObject({ handlerErrors: 2, connections: { active: 1, closed: { error: 1 } } });
    });

    it('OnClose, which leaves the reason as it is', async () => {
      const { app, listener, client, bystander, closed } = await failing(transport, 'close', fail);
      await using _ = app;
      await client.end();
      expect(await closed.take()).toMatchObject({ first: true, reason: { kind: 'client' } });
      await listener.waitForConnections((connections) => connections === 1);
      await stillServed(bystander);
      expect(logged(app, 'told to')).toBe(1);
      expect(closed.rest).toEqual([]);
      expect(listener.stats()).toMatchObject({ handlerErrors: 1, connections: { active: 1, closed: { client: 1 } } });
    });
  });

  it('a pull-style handler that throws closes its connection alone, after what it sent', async () => {
    const errors = new Mailbox<Error>();

    @Reagent()
    class Pull {
      @OnConnection()
      async handle(conn: Connection) {
        for await (const data of conn) {
          conn.send(data);
          if (String(data) === 'throw') throw new TypeError('told to');
        }
      }

      @OnError()
      failed(conn: Connection, error: Error) {
        conn.send(`sorry: ${error.message}\n`);
        errors.put(error);
      }
    }

    await using app = await start(Pull);
    const [client, bystander] = [await app.connect(Pull), await app.connect(Pull)];
    await client.send('throw');
    await client.receive('throwsorry: told to\n');
    await leave(client);
    await stillServed(bystander);
    expect(errors.all).toHaveLength(1);
    expect(errors.all[0]).toBeInstanceOf(TypeError);
    expect(app.listener(Pull).stats().handlerErrors).toBe(1);
  });

  it('OnError may answer before the connection closes', async () => {
    @Reagent()
    class Polite {
      @OnData()
      data() {
        throw new Error('told to');
      }

      @OnError()
      async failed(conn: Connection, error: Error) {
        await Promise.resolve();
        conn.send(`error: ${error.message}\n`);
      }
    }

    await using app = await start(Polite);
    const client = await app.connect(Polite);
    await client.send('x');
    expect(await client.line()).toBe('error: told to');
    expect(await leave(client)).toBe('end');
  });

  it('what is thrown and is no Error reaches OnError as one', async () => {
    const errors = new Mailbox<Error>();

    @Reagent()
    class Odd {
      @OnData()
      data() {
        throw 'a string';
      }

      @OnError()
      failed(_: Connection, error: Error) {
        errors.put(error);
      }
    }

    await using app = await start(Odd);
    const client = await app.connect(Odd);
    await client.send('x');
    const error = await errors.take();
    expect(error).toBeInstanceOf(Error);
    expect(error.message).toContain('a string');
    await leave(client);
  });

  it('no hook is called for data that came with the one that failed', async () => {
    let calls = 0;

    @Reagent()
    class Once {
      @OnData()
      async data() {
        calls += 1;
        await Promise.resolve();
        throw new Error('told to');
      }
    }

    await using app = await start(Once);
    const client = await app.connect(Once);
    const sending = client.send(Buffer.alloc(1024 * 1024));
    await leave(client);
    await sending.catch(() => {}); // The server does not take all of it.
    await app.listener(Once).waitForConnections((connections) => connections === 0);
    expect(calls).toBe(1);
  });

  it('a hook that fails when its client has left is told once, and OnClose comes last', async () => {
    const gate = new Gate();
    const journal = new Mailbox<string>();

    @Reagent()
    class Late {
      @OnData()
      async data(conn: Connection) {
        journal.put('data');
        await gate.passed();
        conn.send('nobody is there');
        throw new Error('told to');
      }

      @OnError()
      failed(_: Connection, error: Error) {
        journal.put(`error: ${error.message}`);
      }

      @OnClose()
      bye() {
        journal.put('close');
      }
    }

    await using app = await start(Late);
    const client = await app.connect(Late);
    await client.send('x');
    await journal.take();
    const [conn] = app.listener(Late).connections;
    conn?.reset();
    await conn?.closed;
    gate.open();
    expect(await journal.takeMany(2)).toEqual(['error: told to', 'close']);
    expect(app.listener(Late).stats().handlerErrors).toBe(1);
    expect(logged(app, 'told to')).toBe(1);
  });
});
