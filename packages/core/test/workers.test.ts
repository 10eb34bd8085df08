// Applications with workers: whole processes, as they run in production.

import { TestClient } from '@reagent/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ActivatedSocket } from './support/activated-socket.js';
import { WorkersProcess } from './support/workers-process.js';
import { bundle } from './support/workers-program.js';

beforeAll(bundle);

describe('an application with workers', () => {
  let server: WorkersProcess;
  beforeAll(async () => {
    server = await WorkersProcess.start({ workers: { count: 2, heartbeat: 2_000 } });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('serves one port with several processes, none of which is the first', async () => {
    expect(server.log).toMatch(/workers listen workers=2 accept=(reusePort|shared)/);
    const clients = await server.connectToEach();
    expect([...clients.keys()]).not.toContain(server.pid);
    for (const client of clients.values()) await echoes(client);
    await server.ask('waitForConnections', 2);
    const { connections, listeners, workers } = await server.stats();
    expect(connections).toMatchObject({ active: 2 });
    expect(listeners.Server1).toMatchObject({ status: 'listening', port: server.port, address: '127.0.0.1' });
    expect(listeners.Server1?.acceptors.size).toBe(200);
    expect(workers?.processes.map(({ id, status, restarts }) => ({ id, status, restarts }))).toEqual([
      { id: 1, status: 'listening', restarts: 0 },
      { id: 2, status: 'listening', restarts: 0 },
    ]);
    expect(new Set(workers?.processes.map(({ pid }) => pid))).toEqual(new Set(clients.keys()));
    for (const client of clients.values()) client.destroy();
  });

  it('says in each line of its log which worker it comes from', async () => {
    for (const id of [1, 2]) expect(server.log).toMatch(new RegExp(`listening worker=${id} listener=Server1`));
    const clients = await server.connectToEach();
    for (const [id, pid] of await server.pidsById()) {
      const before = server.log.length;
      await clients.get(pid)?.send('throw');
      expect((await server.logged(/ERROR .*told to throw/s, before))[0]).toContain(`worker=${id} `);
      clients.get(pid)?.destroy();
    }
  });

  it('is described by its supervisor, which does not have the connections', async () => {
    const attempts = ['connections', 'env', 'broadcast', 'resize', 'accept', 'maxConnections', 'stop of a listener'];
    for (const what of [...attempts, 'start', 'another one']) {
      await expect(server.ask('try', what)).rejects.toMatchObject({ code: 'ERR_REAGENT_STATE' });
    }
    await expect(server.ask('try', 'resolve')).rejects.toMatchObject({ code: 'ERR_REAGENT_PROVIDER' });
    expect(await server.ask('resolve', 'class')).toBe('Server1');
    expect(await server.ask('resolve', 'Server1')).toBe('Server1');
    await expect(server.ask('resolve', 'Server2')).rejects.toThrow('there is Server1');
    expect(await server.ask('worker')).toBe(null);
  });

  it('refuses new connections while it is suspended, keeps the open ones, and takes the same port again', async () => {
    const clients = await server.connectToEach();
    await server.ask('suspend');
    expect(await server.ask('listeners')).toMatchObject([{ status: 'suspended', port: server.port }]);
    await expect(TestClient.connect({ port: server.port })).rejects.toThrow('ECONNREFUSED');
    for (const client of clients.values()) await echoes(client);
    await server.ask('resume');
    expect(await server.ask('listeners')).toMatchObject([{ status: 'listening', port: server.port }]);
    for (const client of [...clients.values(), ...(await server.connectToEach()).values()]) client.destroy();
  });

  it('includes a worker that is replaced meanwhile in a suspension', async () => {
    await server.ask('suspend');
    const [doomed] = (await server.pids()) as [number];
    process.kill(doomed, 'SIGKILL');
    await server.logged(/a worker listens/);
    await expect(TestClient.connect({ port: server.port })).rejects.toThrow('ECONNREFUSED');
    expect(await server.ask('listeners')).toMatchObject([{ status: 'suspended', port: server.port }]);
    await server.ask('resume');
    for (const client of (await server.connectToEach()).values()) client.destroy();
  });
});

describe('a worker process', () => {
  let server: WorkersProcess;
  beforeAll(async () => {
    server = await WorkersProcess.start({ workers: { count: 1, heartbeat: 500 }, execArgv: ['--trace-uncaught'] });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('runs the main file with its arguments, can start listeners, and its children are no workers', async () => {
    const { client, pid } = await server.connect();
    await client.send('env');
    expect(await client.line()).toBe('worker 1: --trace-uncaught, {"workers":{, none');
    await client.send('start');
    const port = Number(await client.line());
    const other = await server.connect({ port });
    expect(other.pid).toBe(pid);
    other.client.destroy();
    client.destroy();
  });

  it('may hang while its inspector is open', async () => {
    const { client } = await server.connect();
    await client.send('inspected hang');
    await client.receive('hung\n');
    expect(server.log).not.toMatch(/does not answer/);
    client.destroy();
  });
});

describe('an inherited descriptor', () => {
  it('is served by all workers', async () => {
    await using socket = await ActivatedSocket.listen();
    await using server = await WorkersProcess.start({ listeners: [{ fd: 3 }], inherited: socket.fd });
    expect({ port: server.port }).toEqual(socket.target);
    for (const client of (await server.connectToEach()).values()) {
      await echoes(client);
      client.destroy();
    }
  });
});

async function echoes(client: TestClient): Promise<void> {
  await client.send('still here?');
  await client.receive('still here?');
}
