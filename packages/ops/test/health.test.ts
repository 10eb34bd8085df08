// What orchestrators and balancers ask for.

import { once } from 'node:events';
import { connect } from 'node:net';
import { Connection, Module, OnData, Reagent } from '@reagent/core';
import { Ops, OpsServer } from '@reagent/ops';
import { createTestApp, type TestApp } from '@reagent/testing';
import { describe, expect, it } from 'vitest';

@Reagent({ port: 0 })
class Echo {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

@Reagent({ port: 0 })
class Other extends Echo {}

@Module({ imports: [Ops.forRoot({ port: 0 })], reagents: [Echo, Other] })
class AppModule {}

async function ask(app: { resolve: TestApp['resolve'] }, path: string, accept = '*/*'): Promise<[number, string]> {
  // Nothing is kept open, so that each is a connection of its own.
  const response = await fetch(app.resolve(OpsServer).url + path, { headers: { accept, connection: 'close' } });
  return [response.status, await response.text()];
}

describe('/readyz', () => {
  it('is 200 while all listeners listen', async () => {
    await using app = await createTestApp(AppModule).start();
    expect(await ask(app, 'readyz')).toEqual([200, 'ready\n']);
  });

  it('is 503 while one is suspended, and says which', async () => {
    await using app = await createTestApp(AppModule).start();
    await app.listener(Other).suspend();
    expect(await ask(app, 'readyz')).toEqual([503, 'not ready\nOther is suspended\n']);
    await app.listener(Other).resume();
    expect(await ask(app, 'readyz')).toEqual([200, 'ready\n']);
  });

  it('is answered while the whole application is suspended', async () => {
    await using app = await createTestApp(AppModule).start();
    await app.application.suspend();
    expect(await ask(app, 'readyz')).toEqual([503, 'not ready\nEcho is suspended\nOther is suspended\n']);
    await app.application.resume();
    expect(await ask(app, 'readyz')).toEqual([200, 'ready\n']);
  });

  it('is 503 while the application drains, to new connections too, until the last listener has stopped', async () => {
    await using app = await createTestApp(AppModule).start();
    const { port } = app.resolve(OpsServer);
    const client = await app.connect(Echo);
    await client.send('x');
    await client.receive('x');
    const stopping = app.application.stop({ timeout: 10_000 });
    expect(await ask(app, 'readyz')).toEqual([503, expect.stringContaining('Echo is draining\n')]);
    expect((await ask(app, 'healthz'))[0]).toBe(200);
    await app.listener(Echo).waitForConnections((connections) => connections === 1);
    expect((await ask(app, 'readyz'))[0]).toBe(503);
    await client.end();
    await stopping;
    const [error] = await once(connect(port, '127.0.0.1'), 'error');
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('is 503 before the first listener is bound', async () => {
    const asked: [number, string][] = [];
    @Module({
      imports: [AppModule],
      providers: [
        {
          token: 'slow',
          useFactory: async (container) => {
            asked.push(await ask(container, 'readyz'), await ask(container, 'healthz'));
          },
        },
      ],
    })
    class SlowModule {}

    await using app = await createTestApp(SlowModule).start();
    expect(asked).toEqual([
      [503, 'not ready\nnothing listens: the application is starting or stopping\n'],
      [200, 'ok\n'],
    ]);
    expect(await ask(app, 'readyz')).toEqual([200, 'ready\n']);
  });

  it('does not mind a listener that was stopped for good', async () => {
    await using app = await createTestApp(AppModule).start();
    await app.listener(Other).stop();
    expect(await ask(app, 'readyz')).toEqual([200, 'ready\n']);
  });

  it('is JSON for those who prefer it', async () => {
    await using app = await createTestApp(AppModule).start();
    await app.listener(Other).suspend();
    const [status, text] = await ask(app, 'readyz', 'application/json');
    expect(status).toBe(503);
    expect(JSON.parse(text)).toEqual({
      ready: false,
      reasons: ['Other is suspended'],
      listeners: [
        { name: 'Echo', status: 'listening' },
        { name: 'Other', status: 'suspended' },
      ],
    });
  });
});

describe('/healthz', () => {
  it('is 200 as long as the process serves', async () => {
    await using app = await createTestApp(AppModule).start();
    expect(await ask(app, 'healthz')).toEqual([200, 'ok\n']);
    await app.application.suspend();
    expect(await ask(app, 'healthz')).toEqual([200, 'ok\n']);
    expect(await ask(app, 'healthz', 'text/html, application/json;q=0.9')).toEqual([200, '{"status":"ok"}\n']);
  });
});
