// Starting: all or nothing. What an application is made of and gives access to.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import {
  type Application,
  bootstrap,
  ConfigurationError,
  type Connection,
  ListenError,
  Module,
  OnConnection,
  OnData,
  ProviderError,
  Reagent,
  start,
} from '@reagent/core';
import { createTestApp, TestClient } from '@reagent/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { CapturedLog } from './support/captured-log.js';
import { leave } from './support/leave.js';

const host = '127.0.0.1';
const running: (Application | Server)[] = [];

afterEach(async () => {
  for (const one of running.splice(0)) {
    if ('stop' in one) await one.stop({ timeout: 100 });
    else one.close();
  }
});

function keep<T extends Application | Server>(one: T): T {
  running.push(one);
  return one;
}

async function occupiedPort(): Promise<number> {
  const server = keep(createServer());
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function canBind(port: number): Promise<void> {
  const server = createServer().listen(port, host);
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}

const quiet = () => ({ logger: new CapturedLog(), signals: false as const });

@Reagent({ port: 0, host })
class Echo {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

@Reagent({ port: 0, host })
class Greeter {
  @OnConnection()
  greet(conn: Connection) {
    conn.send('hello');
  }
}

@Module({ reagents: [Echo, Greeter] })
class AppModule {}

describe('bootstrap', () => {
  it('listens with every reagent of the module and of those it imports', async () => {
    @Module({ imports: [AppModule] })
    class Outer {}

    const app = keep(await bootstrap(Outer, quiet()));
    expect(app.listeners.map(({ name, status }) => [name, status])).toEqual([
      ['Echo', 'listening'],
      ['Greeter', 'listening'],
    ]);
    const greeted = await TestClient.connect({ port: app.listener(Greeter).port });
    await greeted.receive('hello');
    const echoed = await TestClient.connect({ port: app.listener('Echo').port });
    await echoed.send('hi');
    await echoed.receive('hi');
    greeted.destroy();
    echoed.destroy();
  });

  it('takes overrides of descriptors by the listener’s name', async () => {
    const port = await freePort();
    const app = keep(await bootstrap(AppModule, { ...quiet(), overrides: { Greeter: { port, maxConnections: 7 } } }));
    expect(app.listener(Greeter).port).toBe(port);
    expect(app.listener(Greeter).maxConnections).toBe(7);
    expect(app.listener(Echo).maxConnections).toBe(Number.POSITIVE_INFINITY);
  });

  it('names the listener, the address and the cure when a port is in use, and releases what was bound', async () => {
    const [free, occupied] = [await freePort(), await occupiedPort()];
    const overrides = { Echo: { port: free }, Greeter: { port: occupied } };
    const error = await bootstrap(AppModule, { ...quiet(), overrides }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ListenError);
    expect(error).toMatchObject({ code: 'EADDRINUSE', listener: 'Greeter', address: `${host}:${occupied}` });
    expect((error as Error).message).toMatch(/Greeter.*EADDRINUSE/s);
    expect((error as Error).message).toContain('already listens');
    await canBind(free);
  });

  it('disposes the providers when a listener cannot bind', async () => {
    const journal: string[] = [];

    class Store {
      constructor() {
        journal.push('made');
      }

      dispose() {
        journal.push('disposed');
      }
    }

    @Module({ imports: [AppModule], providers: [Store] })
    class WithStore {}

    const overrides = { Echo: { port: await occupiedPort() } };
    await expect(bootstrap(WithStore, { ...quiet(), overrides })).rejects.toBeInstanceOf(ListenError);
    expect(journal).toEqual(['made', 'disposed']);
  });

  it('names the host when no interface has its address', async () => {
    const overrides = { Echo: { host: '203.0.113.1' } };
    const error = await bootstrap(AppModule, { ...quiet(), overrides }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ListenError);
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', listener: 'Echo' });
    expect((error as Error).message).toContain('203.0.113.1');
  });

  it('binds no port when anything is wrong, and reports all of it at once', async () => {
    @Reagent({ port: 70_000 })
    class TooHigh {
      @OnData()
      ignore() {}
    }

    @Reagent({ port: 0 })
    class Useless {}

    @Module({ imports: [AppModule], reagents: [TooHigh, Useless] })
    class Broken {}

    const port = await freePort();
    const error = await bootstrap(Broken, { ...quiet(), overrides: { Echo: { port } } }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as ConfigurationError).problems.map(({ where }) => where).sort()).toEqual(['TooHigh', 'Useless']);
    expect((error as Error).message).toMatch(/70_?000/);
    await canBind(port);
  });

  it('binds no port when a provider cannot be made', async () => {
    @Module({
      imports: [AppModule],
      providers: [{ token: 'broken', useFactory: () => Promise.reject(new Error('no database')) }],
    })
    class Broken {}

    const port = await freePort();
    const error = await bootstrap(Broken, { ...quiet(), overrides: { Echo: { port } } }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ProviderError);
    expect((error as Error).message).toContain('broken');
    await canBind(port);
  });

  it('refuses two listeners of one name', async () => {
    @Reagent({ port: 0, name: 'Echo' })
    class Other {
      @OnData()
      ignore() {}
    }

    @Module({ imports: [AppModule], reagents: [Other] })
    class Twice {}

    const error = await bootstrap(Twice, quiet()).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain('Echo');
  });

  it('serves no connection before all listeners are bound', async () => {
    let served = 0;

    @Reagent({ port: 0, host, name: 'early' })
    class Early {
      @OnConnection()
      serve() {
        served += 1;
      }
    }

    // So many names to look up that there is time to connect to the first before the last, which fails.
    const others = Array.from({ length: 50 }, (_, index) => {
      @Reagent({ port: 0, host: 'localhost', name: `other ${index}` })
      class Other extends Echo {}
      return Other;
    });

    @Module({ reagents: [Early, ...others] })
    class Many {}

    const port = await freePort();
    const overrides = { early: { port }, 'other 49': { port: await occupiedPort(), host } };
    let over = false;
    const starting = bootstrap(Many, { ...quiet(), overrides })
      .catch((reason: unknown) => reason)
      .finally(() => {
        over = true;
      });
    const clients: TestClient[] = [];
    while (!over) {
      const client = await TestClient.connect({ port }).catch(() => undefined);
      if (client !== undefined) clients.push(client);
    }
    expect(await starting).toBeInstanceOf(ListenError);
    expect(clients.length).toBeGreaterThan(0);
    for (const client of clients) {
      expect(await client.closed()).toBe('reset');
      client.destroy();
    }
    expect(served).toBe(0);
  });
});

describe('start', () => {
  it('starts a single reagent without a module', async () => {
    const app = keep(await start(Echo, { port: 0, host }, quiet()));
    const { port } = app.listener(Echo);
    const client = await TestClient.connect({ port });
    await client.send('hi');
    await client.receive('hi');
    client.destroy();
    await app.stop();
    await expect(TestClient.connect({ port })).rejects.toThrow('ECONNREFUSED');
  });

  it('adds a reagent to an application, which stops with it', async () => {
    await using app = await createTestApp(Echo).start();
    const listener = await app.application.start(Greeter, { port: 0, host, name: 'later' });
    expect(app.application.listeners.map(({ name }) => name)).toEqual(['Echo', 'later']);
    const client = await app.connect('later');
    await client.receive('hello');
    await leave(client);
    await app.application.stop();
    expect(listener.status).toBe('stopped');
    await expect(TestClient.connect({ port: listener.port })).rejects.toThrow('ECONNREFUSED');
  });

  it('injects the application’s providers into a reagent that is added', async () => {
    class Store {
      readonly name = 'the store';
    }

    @Reagent({ port: 0 })
    class Late {
      constructor(private readonly store: Store) {}

      @OnConnection()
      tell(conn: Connection) {
        conn.send(this.store.name);
      }
    }

    @Module({ providers: [Store], reagents: [Echo] })
    class WithStore {}

    await using app = await createTestApp(WithStore).start();
    await app.application.start(Late, { port: 0, host });
    await (await app.connect(Late)).receive('the store');
  });

  it('leaves the application as it was when the reagent cannot be added', async () => {
    await using app = await createTestApp(Echo).start();
    await expect(app.application.start(Echo, { port: 0, host })).rejects.toThrow('Echo');
    await expect(app.application.start(Greeter, { port: await occupiedPort(), host })).rejects.toBeInstanceOf(
      ListenError,
    );
    expect(app.application.listeners.map(({ name }) => name)).toEqual(['Echo']);
    const client = await app.connect(Echo);
    await client.send('hi');
    await client.receive('hi');
  });
});

describe('an application', () => {
  it('knows its listeners by name and by class, and says which there are', async () => {
    await using app = await createTestApp(AppModule).start();
    expect(app.application.listener(Echo)).toBe(app.application.listener('Echo'));
    expect(() => app.application.listener('nobody')).toThrow(/nobody[\s\S]*Echo/);
  });

  it('adds up the figures of its listeners', async () => {
    await using app = await createTestApp(AppModule).start();
    const client = await app.connect(Echo);
    await client.send('hi');
    await client.receive('hi');
    await (await app.connect(Greeter)).closed();
    const stats = app.application.stats();
    expect(Object.keys(stats.listeners)).toEqual(['Echo', 'Greeter']);
    expect(stats.connections.accepted).toBe(2);
    expect(stats.listeners.Echo).toMatchObject({
      status: 'listening',
      port: app.listener(Echo).port,
      connections: { active: 1 },
      bytes: { in: 2, out: 2 },
      messages: { in: 1, out: 1 },
    });
  });

  it('shares nothing with another one of the same module', async () => {
    class Store {
      readonly seen: string[] = [];
    }

    @Reagent({ port: 0 })
    class Recorder {
      constructor(private readonly store: Store) {}

      @OnData()
      record(conn: Connection, data: Buffer) {
        this.store.seen.push(String(data));
        conn.send(this.store.seen.join(','));
      }
    }

    @Module({ providers: [Store], reagents: [Recorder] })
    class RecorderModule {}

    await using first = await createTestApp(RecorderModule).start();
    await using second = await createTestApp(RecorderModule).start();
    const [one, two] = [await first.connect(Recorder), await second.connect(Recorder)];
    await one.send('one');
    await one.receive('one');
    await two.send('two');
    await two.receive('two');
    expect(first.resolve(Store)).not.toBe(second.resolve(Store));

    await first.stop();
    await two.send('more');
    await two.receive('two,more');
  });

  it('logs where it listens', async () => {
    await using app = await createTestApp(Echo).start();
    const { port } = app.listener(Echo);
    expect(app.logs.some((entry) => entry.level === 'info' && JSON.stringify(entry).includes(String(port)))).toBe(true);
  });
});
