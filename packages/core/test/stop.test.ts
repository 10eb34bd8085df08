// Stopping an application. What its connections see of it stands in behaviour/shutdown.test.ts.

import {
  bootstrap,
  type Connection,
  injectable,
  Module,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  Reagent,
  start,
} from '@reagent/core';
import { createTestApp, TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { CapturedLog } from './support/captured-log.js';
import { Gate } from './support/gate.js';
import { Mailbox } from './support/mailbox.js';
import { until } from './support/until.js';

@Reagent({ port: 0 })
class Echo {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

describe('stop()', () => {
  it('turns away the clients that wait for room', async () => {
    await using app = await createTestApp(Echo, { descriptors: { Echo: { maxConnections: 1 } } }).start();
    const listener = app.listener(Echo);
    const first = await app.connect(Echo);
    await first.send('x');
    await first.receive('x');
    const waiting = [await app.connect(Echo), await app.connect(Echo)];
    await until(() => listener.stats().connections.waiting === 2);
    const stopping = app.application.stop({ timeout: 10_000 });
    for (const client of waiting) expect(await client.closed()).toBe('reset');
    expect(listener.stats().connections).toMatchObject({ active: 1, waiting: 0, rejected: { shutdown: 2 } });
    await first.end();
    await stopping;
  });

  it('turns away a client whose OnAccept has not finished, and those that wait for an acceptor', async () => {
    const gate = new Gate();
    const entered = new Mailbox<string>();

    @Reagent({ port: 0, acceptors: 1 })
    class Gated {
      @OnAccept()
      admit() {
        return gate.passed();
      }

      @OnConnection()
      open() {
        entered.put('connection');
      }
    }

    await using app = await createTestApp(Gated).start();
    const listener = app.listener(Gated);
    const first = await app.connect(Gated);
    await until(() => gate.waiting === 1);
    const second = await app.connect(Gated);
    await until(() => listener.stats().acceptors.waiting === 1);
    const stopping = app.application.stop({ timeout: 10_000 });
    expect(await second.closed()).toBe('reset');
    expect(listener.stats().connections).toMatchObject({ active: 1, rejected: { shutdown: 1 } });
    gate.open();
    expect(await first.closed()).toBe('reset');
    await stopping;
    expect(listener.stats().connections).toMatchObject({ active: 0, rejected: { shutdown: 2 } });
    expect(entered.all).toEqual([]);
  });

  it('turns away a client whose OnAccept never settles when the time is over', async () => {
    @Reagent({ port: 0 })
    class Stuck {
      @OnAccept()
      admit() {
        return new Promise<void>(() => {});
      }

      @OnData()
      ignore() {}
    }

    await using app = await createTestApp(Stuck).start();
    const listener = app.listener(Stuck);
    const client = await app.connect(Stuck);
    await until(() => listener.stats().acceptors.busy === 1);
    await app.application.stop({ timeout: 50 });
    expect(await client.closed()).toBe('reset');
    expect(listener.stats().connections).toMatchObject({ active: 0, rejected: { shutdown: 1 } });
  });

  it('twice is as once, and the second call may have less patience', async () => {
    await using app = await createTestApp(Echo).start();
    const client = await app.connect(Echo);
    await client.send('x');
    await client.receive('x');
    const first = app.application.stop({ timeout: 60_000 });
    const second = app.application.stop({ timeout: 20 });
    await Promise.all([first, second, app.application.closed]);
    expect(await client.closed()).toBe('reset');
    await app.application.stop();
  });

  it('resolves closed, and not before', async () => {
    const app = await createTestApp(Echo).start();
    const client = await app.connect(Echo);
    await client.send('x');
    await client.receive('x');
    let over = false;
    void app.application.closed.then(() => {
      over = true;
    });
    const listener = app.listener(Echo);
    const stopping = app.application.stop({ timeout: 10_000 });
    await until(() => listener.status === 'draining');
    expect(over).toBe(false);
    await client.end();
    await stopping;
    await app.application.closed;
    await app.stop();
  });

  it('disposes the providers, last made first, when the last connection has closed', async () => {
    const journal: string[] = [];

    class Database {
      dispose() {
        journal.push('database');
      }
    }

    @injectable()
    class Store {
      constructor(readonly database: Database) {}

      async dispose() {
        await Promise.resolve();
        journal.push('store');
      }
    }

    @Reagent({ port: 0 })
    class User {
      constructor(readonly store: Store) {}

      @OnData()
      ignore() {}

      @OnClose()
      async bye() {
        await Promise.resolve();
        journal.push('close');
      }

      dispose() {
        journal.push('reagent');
      }
    }

    @Module({ providers: [Database, Store], reagents: [User] })
    class AppModule {}

    await using app = await createTestApp(AppModule).start();
    await app.connect(User);
    await app.listener(User).waitForConnections((connections) => connections === 1);
    await app.application.stop({ timeout: 20 });
    expect(journal).toEqual(['close', 'reagent', 'store', 'database']);
  });

  it('disposes all although one fails, and rejects with what they threw', async () => {
    const journal: string[] = [];

    class First {
      dispose() {
        journal.push('first');
      }
    }

    class Second {
      dispose() {
        throw new Error('cannot let go');
      }
    }

    @Module({ providers: [First, Second], reagents: [Echo] })
    class AppModule {}

    const app = await bootstrap(AppModule, {
      logger: new CapturedLog(),
      signals: false,
      overrides: { Echo: { host: '127.0.0.1' } },
    });
    const error = await app.stop().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors.map(String)).toEqual(['Error: cannot let go']);
    expect(journal).toEqual(['first']);
    await app.closed;
  });

  it('is what await using does', async () => {
    let port: number;
    {
      await using app = await bootstrap(
        (() => {
          @Module({ reagents: [Echo] })
          class AppModule {}
          return AppModule;
        })(),
        { logger: new CapturedLog(), signals: false, overrides: { Echo: { host: '127.0.0.1' } } },
      );
      port = app.listener(Echo).port;
      (await TestClient.connect({ port })).destroy();
    }
    await expect(TestClient.connect({ port })).rejects.toThrow('ECONNREFUSED');
  });

  it('of one listener leaves the others', async () => {
    await using app = await createTestApp(Echo).start();
    const other = await app.application.start(Echo, { name: 'other', port: 0, host: '127.0.0.1' });
    const client = await app.connect('other');
    await client.send('x');
    await client.receive('x');
    await other.stop({ timeout: 20 });
    expect(await client.closed()).toBe('reset');
    expect(other.status).toBe('stopped');
    expect(app.application.listeners.map(({ name }) => name)).toEqual(['Echo']);
    const survivor = await app.connect(Echo);
    await survivor.send('x');
    await survivor.receive('x');
  });

  it('forgets a listener too that was starting', async () => {
    const app = await start(Echo, { host: '127.0.0.1' }, { logger: new CapturedLog(), signals: false });
    const started = app.start(Echo, { name: 'other', port: 0, host: '127.0.0.1' });
    await app.stop();
    expect((await started).status).toBe('stopped');
    expect(app.listeners).toEqual([]);
  });

  it('may be repeated with a new application again and again', async () => {
    let port = 0;
    for (let round = 0; round < 10; round += 1) {
      await using app = await createTestApp(Echo, { descriptors: { Echo: { port } } }).start();
      const client = await app.connect(Echo);
      await client.send('x');
      await client.receive('x');
      port = app.listener(Echo).port;
      client.reset();
    }
  });

  it('removes what it put on the process', async () => {
    @Module({ reagents: [Echo] })
    class AppModule {}

    const count = () =>
      ['SIGTERM', 'SIGINT', 'SIGHUP', 'uncaughtException', 'unhandledRejection', 'exit'].map((name) =>
        process.listenerCount(name),
      );
    const before = count();
    const app = await bootstrap(AppModule, { logger: new CapturedLog(), overrides: { Echo: { host: '127.0.0.1' } } });
    expect(process.listenerCount('SIGTERM')).toBe((before[0] ?? 0) + 1);
    await app.stop();
    expect(count()).toEqual(before);
  });
});
