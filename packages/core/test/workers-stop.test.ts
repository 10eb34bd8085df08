// How applications with workers stop.

import { TestClient } from '@reagent/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { isAlive } from './support/is-alive.js';
import { hurried, WorkersProcess } from './support/workers-process.js';
import { bundle } from './support/workers-program.js';

beforeAll(bundle);

describe('stopping an application with workers', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('by %s drains all workers, and ends with code 0', async (signal) => {
    await using server = await WorkersProcess.start({ atShutdown: 'goodbye' });
    const clients = await server.connectToEach();
    // To all processes, as from a terminal: workers leave SIGINT to the supervisor, and drain once.
    server.killGroup(signal);
    for (const client of clients.values()) {
      await client.receive('goodbye\n');
      expect(await client.closed()).toBe('end');
      client.destroy();
    }
    expect(await server.exit()).toBe(0);
    expect(server.log).not.toMatch(/ERROR|WARN|starting a worker/);
    for (const pid of clients.keys()) expect(isAlive(pid)).toBe(false);
  });

  it('waits for connections, refuses new ones, and a second signal ends all at once', async () => {
    await using server = await WorkersProcess.start({
      listeners: [{ port: 0, host: '127.0.0.1', timeouts: { shutdown: 60_000 } }],
    });
    const clients = await server.connectToEach();
    server.kill('SIGTERM');
    await server.logged(/^event: 1 draining$/m);
    await server.logged(/^event: 2 draining$/m);
    for (const client of clients.values()) {
      await client.send('still here?');
      await client.receive('still here?');
    }
    await expect(TestClient.connect({ port: server.port })).rejects.toThrow('ECONNREFUSED');
    server.kill('SIGTERM');
    expect(await server.exit()).toBe(143);
    for (const [pid, client] of clients) {
      await client.closed();
      client.destroy();
      // A process gives up its sockets before it is gone itself.
      await expect.poll(() => isAlive(pid)).toBe(false);
    }
  });

  it('resets what does not end within the time that it is given', async () => {
    await using server = await WorkersProcess.start();
    const clients = await server.connectToEach();
    await server.ask('stop', 20);
    for (const client of clients.values()) expect(await client.closed()).toBe('reset');
    expect(await server.exit()).toBe(0);
  });

  it('by killing the supervisor drains the workers too', async () => {
    await using server = await WorkersProcess.start({ atShutdown: 'goodbye' });
    const clients = await server.connectToEach();
    server.kill('SIGKILL');
    for (const client of clients.values()) {
      await client.receive('goodbye\n');
      expect(await client.closed()).toBe('end');
      client.destroy();
    }
    // It resolves when the last worker has closed its output.
    expect(await server.exit()).toBe('SIGKILL');
    expect(server.log).toMatch(/the supervisor has ended: stopping worker=1/);
  });

  it.each([
    { lasting: 'disposal', why: 'it has not stopped in time' },
    { lasting: 'process', why: 'its application has stopped, but something else keeps the process' },
  ] as const)('kills a worker whose $lasting never ends, and says why', async ({ lasting, why }) => {
    await using server = await WorkersProcess.start({
      workers: 1,
      lasting,
      listeners: [{ port: 0, host: '127.0.0.1', timeouts: { shutdown: 100 } }],
      execArgv: hurried,
    });
    const [pid] = (await server.pids()) as [number];
    server.kill('SIGTERM');
    expect(await server.exit()).toBe(0);
    expect(server.log).toMatch(new RegExp(`WARN .*killing a worker: ${why}.* worker=1 pid=${pid}`));
    expect(isAlive(pid)).toBe(false);
  });
});
