import { lstat } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  ConfigurationError,
  type Connection,
  inject,
  lines,
  Module,
  OnConnection,
  OnData,
  OnShutdown,
  ProviderError,
  Reagent,
} from '@reagent/core';
import { afterEach, describe, expect, it } from 'vitest';
import { certificates } from './certificates/certificates.js';
import { TestClient } from './client/test-client.js';
import { createTestApp } from './create-test-app.js';
import { testAppDefaults } from './test-app-defaults.js';

class Clock {
  now(): number {
    return 1;
  }
}

@Reagent({ port: 4711 })
class Time {
  constructor(private readonly clock: Clock) {}

  @OnData()
  tell(conn: Connection) {
    conn.send(`${this.clock.now()}\n`);
  }
}

@Module({ providers: [Clock], reagents: [Time] })
class TimeModule {}

/** The stack of an error whose first line is one of this file. */
const fromHere = /^.*\n +at .*create-test-app\.test\.ts/;

async function timeOf(app: Awaited<ReturnType<ReturnType<typeof createTestApp>['start']>>): Promise<string> {
  const client = await app.connect(Time);
  await client.send('?');
  return client.line();
}

describe('an app under test', () => {
  it('listens on free loopback ports, whatever the descriptors say', async () => {
    await using first = await createTestApp(TimeModule).start();
    await using second = await createTestApp(TimeModule).start();
    expect(first.listener(Time).address).toBe('127.0.0.1');
    expect(first.listener(Time).port).not.toBe(4711);
    expect(first.listener(Time).port).not.toBe(second.listener('Time').port);
    expect(await timeOf(first)).toBe('1');
  });

  it('gives each Unix socket a path of its own that disappears with the app', async () => {
    @Reagent({ path: '/run/app.sock', mode: 0o600 })
    class Local {
      @OnConnection()
      hello(conn: Connection) {
        conn.send(conn.listener.name);
      }
    }

    @Reagent({ path: '/run/app.sock', name: 'other' })
    class Other extends Local {}

    @Module({ reagents: [Local, Other] })
    class LocalModule {}

    const app = await createTestApp(LocalModule).start();
    const addresses = [app.listener(Local).address, app.listener(Other).address];
    expect(addresses.every((address) => address.endsWith('.sock') && address !== '/run/app.sock')).toBe(true);
    await (await app.connect(Local)).receive('Local');
    await (await app.connect(Other)).receive('other');
    await app.stop();
    for (const address of addresses) await expect(lstat(dirname(address))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('replaces an inherited descriptor by a port', async () => {
    @Reagent({ fd: 3 })
    class Activated {
      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello');
      }
    }

    await using app = await createTestApp(Activated).start();
    await (await app.connect(Activated)).receive('hello');
  });

  it('takes changes to descriptors, and an explicit port as it is', async () => {
    const changes = { Time: { maxConnections: 3, env: { zone: 'utc' } } };
    await using app = await createTestApp(TimeModule, { descriptors: changes }).start();
    expect(app.listener(Time).maxConnections).toBe(3);
    expect(app.listener(Time).env.zone).toBe('utc');
    const { port } = app.listener(Time);
    await app.stop();
    await using again = await createTestApp(TimeModule, { descriptors: { Time: { port } } }).start();
    expect(again.listener(Time)).toMatchObject({ port, address: '127.0.0.1' });
  });

  it('refuses changes to a listener that it does not have', async () => {
    const starting = createTestApp(TimeModule, { descriptors: { Tiem: { maxConnections: 3 } } }).start();
    await expect(starting).rejects.toMatchObject({
      message: 'createTestApp: no listener is called Tiem; there is Time',
      stack: expect.stringMatching(fromHere),
    });
  });

  it('refuses options that there are not, from the line of the test', () => {
    const options = { descriptor: { Time: { maxConnections: 3 } } };
    expect(() => createTestApp(TimeModule, options as object)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('createTestApp has no option descriptor; it has descriptors, '),
        stack: expect.stringMatching(fromHere),
      }),
    );
  });

  it('evaluates a descriptor that is a function of the container', async () => {
    @Reagent((container) => ({ port: 4711, name: container.resolve<string>('name') }))
    class Named {
      @OnConnection()
      hello(conn: Connection) {
        conn.send(conn.listener.name);
      }
    }

    @Module({ providers: [{ token: 'name', useValue: 'configured' }], reagents: [Named] })
    class NamedModule {}

    await using app = await createTestApp(NamedModule).start();
    await (await app.connect('configured')).receive('configured');
  });

  it('keeps what is logged, and writes nothing', async () => {
    await using app = await createTestApp(TimeModule).start();
    expect(app.logs.length).toBeGreaterThan(0);
    expect(app.logs.every(({ message }) => typeof message === 'string')).toBe(true);
  });

  it('handles no signals', async () => {
    const before = process.listenerCount('SIGTERM');
    await using _ = await createTestApp(TimeModule).start();
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });

  it('comes through with what bootstrap throws', async () => {
    @Reagent({ port: 0 })
    class Useless {}

    await expect(createTestApp(Useless).start()).rejects.toBeInstanceOf(ConfigurationError);
  });

  it('takes a dynamic module', async () => {
    @Module({ providers: [Clock] })
    class Dynamic {
      static with(reagent: typeof Time) {
        return { module: Dynamic, reagents: [reagent] };
      }
    }

    await using app = await createTestApp(Dynamic.with(Time)).start();
    expect(await timeOf(app)).toBe('1');
  });
});

describe('connect', () => {
  it('speaks TLS where the listener does, and as the test wants', async () => {
    const { ca, server } = await certificates();

    @Reagent({ port: 0, secure: { ...server, alpn: ['smtp'] } })
    class Secret {
      @OnConnection()
      tell(conn: Connection) {
        conn.send(conn.alpnProtocol ?? 'no protocol');
      }
    }

    await using app = await createTestApp(Secret).start();
    const client = await app.connect(Secret);
    await client.receive('no protocol');
    expect(client.tlsVersion).toBe('TLSv1.3');
    const other = await app.connect(Secret, { secure: { ca: ca.cert, alpn: ['smtp'] } });
    await other.receive('smtp');
    expect(other.authorized).toBe(true);
    const plain = await app.connect(Secret, { secure: false });
    expect(plain.secure).toBe(false);
  });

  it('gives and takes messages of a codec', async () => {
    @Reagent({ port: 0, codec: lines() })
    class Greeter {
      @OnData()
      greet(conn: Connection<string>, name: string) {
        conn.send(`hello ${name}`);
      }
    }

    await using app = await createTestApp(Greeter).start();
    const client = await app.connect(Greeter, { codec: lines() });
    await client.send('world');
    expect(await client.recv()).toBe('hello world');
  });

  it('sends a PROXY header, ahead of the handshake', async () => {
    const { server } = await certificates();

    @Reagent({ port: 0, proxyProtocol: true, secure: server })
    class Behind {
      @OnConnection()
      tell(conn: Connection) {
        conn.send(`${conn.remote.address}:${conn.remote.port}`);
      }
    }

    await using app = await createTestApp(Behind).start();
    const client = await app.connect(Behind, { proxy: { source: { address: '203.0.113.7', port: 4711 } } });
    await client.receive('203.0.113.7:4711');
  });
});

describe('override', () => {
  it('provides another value, class or factory for a token, wherever it is injected', async () => {
    await using value = await createTestApp(TimeModule)
      .override(Clock)
      .useValue({ now: () => 2 })
      .start();
    expect(await timeOf(value)).toBe('2');

    class Stopped {
      now() {
        return 3;
      }
    }

    await using other = await createTestApp(TimeModule).override(Clock).useClass(Stopped).start();
    expect(await timeOf(other)).toBe('3');

    await using made = await createTestApp(TimeModule)
      .override(Clock)
      .useFactory(async (container) => ({ now: () => container.resolve<number>('start') + 1 }))
      .override<number>('start')
      .useValue(3)
      .start();
    expect(await timeOf(made)).toBe('4');
  });

  it('has what it replaces not made', async () => {
    class Database {
      constructor() {
        throw new Error('there is no database in a test');
      }

      name() {
        return 'real';
      }
    }

    @Reagent({ port: 0 })
    class Reader {
      constructor(
        private readonly database: Database,
        @inject('config') private readonly config: string,
      ) {}

      @OnConnection()
      tell(conn: Connection) {
        conn.send(`${this.database.name()} ${this.config}`);
      }
    }

    @Module({
      providers: [Database, { token: 'config', useFactory: () => Promise.reject(new Error('no file')) }],
      reagents: [Reader],
    })
    class ReaderModule {}

    await expect(createTestApp(ReaderModule).start()).rejects.toBeInstanceOf(ProviderError);
    await using app = await createTestApp(ReaderModule)
      .override(Database)
      .useValue({ name: () => 'fake' })
      .override<string>('config')
      .useValue('of the test')
      .start();
    await (await app.connect(Reader)).receive('fake of the test');
  });

  it('is there for factories of the application that ask for the token', async () => {
    @Module({
      providers: [
        { token: 'host', useFactory: async () => 'real' },
        { token: 'url', useFactory: async (container) => `db://${container.resolve<string>('host')}` },
      ],
      reagents: [Time],
    })
    class ConfiguredModule {}

    @Module({ imports: [ConfiguredModule, TimeModule] })
    class AppModule {}

    await using app = await createTestApp(AppModule)
      .override<string>('host')
      .useFactory(async () => 'fake')
      .start();
    expect(app.resolve('url')).toBe('db://fake');
  });
});

describe('testAppDefaults', () => {
  afterEach(() => delete testAppDefaults.timeout);

  it('are for the clients of test applications and for others', async () => {
    testAppDefaults.timeout = 1_001;
    await using app = await createTestApp(Time).start();
    const { port } = app.listener(Time);
    const clients = [
      await app.connect(Time),
      await TestClient.connect({ port }),
      await TestClient.connect({ port }, { timeout: 1_002 }),
    ];
    const waits = clients.map((client) => client.receive('what never comes').catch(String));
    const limits = (await Promise.all(waits)).map((failure) => /not within (.*)/.exec(String(failure))?.[1]);
    expect(limits).toEqual(['1001 ms', '1001 ms', '1002 ms']);
    for (const client of clients) client.destroy();
  });
});

describe('stop', () => {
  it('closes the clients and does not wait for the rest', async () => {
    @Reagent({ port: 0 })
    class Stubborn {
      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello');
        return new Promise<void>(() => {});
      }

      @OnShutdown()
      stay() {}
    }

    const app = await createTestApp(Stubborn, { allow: ['connections'] }).start();
    const client = await app.connect(Stubborn);
    await client.receive('hello');
    const { port } = app.listener(Stubborn);
    await app.stop({ timeout: 20 });
    expect(await client.closed()).toBe('client');
    await expect(TestClient.connect({ port })).rejects.toThrow('ECONNREFUSED');
    await app.stop();
  });

  it('has a client tell what the server logged', async () => {
    @Reagent({ port: 0 })
    class Failing {
      @OnConnection()
      fail() {
        throw new Error('out of paper');
      }
    }

    await using app = await createTestApp(Failing, { allow: ['errors'] }).start();
    const client = await app.connect(Failing);
    await expect(client.receive('hello')).rejects.toThrow('out of paper');
  });
});
