// Suspending and resuming a listener, and waiting for its connections.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Connection, OnData, Reagent, TimeoutError } from '@reagent/core';
import { createTestApp, type TestApp, type TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { TemporaryDirectory } from './support/temporary-directory.js';
import { until } from './support/until.js';

@Reagent({ port: 0 })
class Echo {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

async function connectEchoing(app: TestApp): Promise<TestClient> {
  const client = await app.connect(Echo);
  await echoes(client);
  return client;
}

async function echoes(client: TestClient): Promise<void> {
  await client.send('hi');
  await client.receive('hi');
}

describe('suspend and resume', () => {
  it('refuse new connections meanwhile, keep the open ones, and take the same port again', async () => {
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    const { port } = listener;
    const client = await connectEchoing(app);

    await listener.suspend();
    expect(listener.status).toBe('suspended');
    expect(listener.port).toBe(port);
    await expect(app.connect(Echo)).rejects.toThrow('ECONNREFUSED');
    await echoes(client);

    await listener.resume();
    expect(listener.status).toBe('listening');
    expect(listener.port).toBe(port);
    await connectEchoing(app);
    await echoes(client);
  });

  it('twice are as once', async () => {
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    await Promise.all([listener.suspend(), listener.suspend()]);
    await listener.suspend();
    await Promise.all([listener.resume(), listener.resume()]);
    await listener.resume();
    await connectEchoing(app);
  });

  it('one after the other without waiting end as the last one says', async () => {
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    await Promise.all([listener.suspend(), listener.resume(), listener.suspend(), listener.resume()]);
    expect(listener.status).toBe('listening');
    await connectEchoing(app);
  });

  it('let those that wait for room in also while suspended', async () => {
    await using app = await createTestApp(Echo, { descriptors: { Echo: { maxConnections: 1 } } }).start();
    const listener = app.listener(Echo);
    const first = await connectEchoing(app);
    const second = await app.connect(Echo);
    await until(() => listener.stats().connections.waiting === 1);
    await listener.suspend();
    first.destroy();
    await echoes(second);
  });

  it('of the application concern all its listeners', async () => {
    await using app = await createTestApp(Echo).start();
    await app.application.start(Echo, { name: 'other', port: 0, host: '127.0.0.1' });
    const ports = app.application.listeners.map(({ port }) => port);
    await app.application.suspend();
    expect(app.application.listeners.map(({ status }) => status)).toEqual(['suspended', 'suspended']);
    await app.application.resume();
    expect(app.application.listeners.map(({ status, port }) => [status, port])).toEqual(
      ports.map((port) => ['listening', port]),
    );
  });

  it('of a listener that is starting wait until it is up', async () => {
    await using app = await createTestApp(Echo).start();
    const started = app.application.start(Echo, { name: 'other', port: 0, host: '127.0.0.1' });
    const listener = app.listener('other');
    expect(listener.status).toBe('starting');
    await listener.suspend();
    expect(await started).toBe(listener);
    expect(listener.status).toBe('suspended');
    await expect(app.connect('other')).rejects.toThrow('ECONNREFUSED');
    await listener.resume();
    expect(listener.status).toBe('listening');
    await app.connect('other');
  });

  it('of an application concern a listener that is starting as well', async () => {
    await using app = await createTestApp(Echo).start();
    const started = app.application.start(Echo, { name: 'other', port: 0, host: '127.0.0.1' });
    await app.application.suspend();
    expect((await started).status).toBe('suspended');
  });

  it('settle though a listener that is starting never comes up', async () => {
    await using app = await createTestApp(Echo).start();
    const { port } = app.listener(Echo);
    const started = app.application.start(Echo, { name: 'other', port, host: '127.0.0.1' });
    const listener = app.listener('other');
    const suspended = listener.suspend();
    await expect(started).rejects.toThrow('EADDRINUSE');
    await suspended;
    expect(listener.status).toBe('stopped');
  });

  it('leave a suspended listener able to stop', async () => {
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    const client = await connectEchoing(app);
    await listener.suspend();
    const stopping = app.application.stop({ timeout: 10_000 });
    await echoes(client);
    await client.end();
    await stopping;
    expect(listener.status).toBe('stopped');
    await expect(listener.resume()).rejects.toThrow();
  });
});

describe('resume of an application', () => {
  it('leaves alone the listeners that are being stopped', async () => {
    await using app = await createTestApp(Echo).start();
    const other = await app.application.start(Echo, { name: 'other', port: 0, host: '127.0.0.1' });
    const client = await app.connect('other');
    await client.send('hi');
    await client.receive('hi');
    await app.application.suspend();
    const stopping = other.stop({ timeout: 10_000 });
    await app.application.resume();
    expect(other.status).toBe('draining');
    expect(app.listener(Echo).status).toBe('listening');
    client.destroy();
    await stopping;
  });

  it('resumes all others before it rejects since one cannot', async () => {
    await using app = await createTestApp(Echo).start();
    const first = app.listener(Echo);
    await using directory = await TemporaryDirectory.make();
    // Binding a path takes longer, since it is looked at first.
    await app.application.start(Echo, { name: 'other', path: directory.at('echo.sock') });
    await app.application.suspend();
    const taker = createServer().listen(first.port, '127.0.0.1');
    await once(taker, 'listening');
    await expect(app.application.resume()).rejects.toThrow('EADDRINUSE');
    expect(app.application.listeners.map(({ status }) => status)).toEqual(['suspended', 'listening']);
    taker.close();
    await once(taker, 'close');
    await app.application.resume();
    expect(first.status).toBe('listening');
  });
});

describe('waitForConnections', () => {
  it('resolves when the number of connections is as wanted, rising and falling', async () => {
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    await listener.waitForConnections((connections) => connections === 0);
    const two = listener.waitForConnections((connections) => connections >= 2);
    const first = await app.connect(Echo);
    await listener.waitForConnections((connections) => connections === 1);
    const second = await app.connect(Echo);
    await two;
    const fewer = listener.waitForConnections((connections) => connections < 2);
    first.destroy();
    await fewer;
    const none = listener.waitForConnections((connections) => connections === 0);
    second.reset();
    await none;
    expect(listener.stats().connections.active).toBe(0);
  });

  it('gives up with a TimeoutError', async () => {
    await using app = await createTestApp(Echo).start();
    const waiting = app.listener(Echo).waitForConnections((connections) => connections === 1, { timeout: 20 });
    await expect(waiting).rejects.toBeInstanceOf(TimeoutError);
    await expect(waiting).rejects.toMatchObject({ step: 'connections', timeout: 20 });
  });
});
