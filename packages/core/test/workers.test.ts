// Applications with workers: whole processes, as they run in production.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { TestClient } from '@reagent/testing';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { build } from './support/server-process.js';
import { TemporaryDirectory } from './support/temporary-directory.js';
import { until } from './support/until.js';
import { WorkersProcess } from './support/workers-process.js';

// Several processes start in each of them, on a machine that may have other things to do.
vi.setConfig({ testTimeout: 30_000 });
beforeAll(build, 120_000);

/** A client, and the process that serves it. */
async function connect(server: WorkersProcess, port = server.port): Promise<{ client: TestClient; pid: number }> {
  const client = await TestClient.connect({ port });
  return { client, pid: Number(await client.line()) };
}

async function echoes(client: TestClient): Promise<void> {
  await client.send('still here?');
  await client.receive('still here?');
}

/** A client of each worker. */
async function connectToEach(server: WorkersProcess): Promise<Map<number, TestClient>> {
  const pids = await server.pids();
  const clients = new Map<number, TestClient>();
  while (clients.size < pids.length) {
    // Where all accept from one socket, the same one may always be the first, unless it is busy.
    for (const client of clients.values()) await client.send('spin');
    const { client, pid } = await connect(server);
    for (const busy of clients.values()) await busy.receive('spun\n');
    if (clients.has(pid)) client.destroy();
    else clients.set(pid, client);
  }
  return clients;
}

function isAlive(pid: number): boolean {
  try {
    // Behind the command's name, which is in parentheses: the state. Z is a process that has ended, and that nobody has asked about yet.
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.[0] !== 'Z';
  } catch {
    return false;
  }
}

describe('an application with workers', () => {
  it('serves one port with several processes, none of which is the first', async () => {
    await using server = await WorkersProcess.start({ workers: 2 });
    for (const id of [1, 2]) expect(server.log).toMatch(new RegExp(`listening worker=${id} listener=Server1`));
    expect(server.log).toMatch(/workers listen workers=2 accept=(reusePort|shared)/);
    const clients = await connectToEach(server);
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

  it('is described by its supervisor, which does not have the connections', async () => {
    await using server = await WorkersProcess.start({ workers: 1 });
    const attempts = ['connections', 'env', 'broadcast', 'resize', 'accept', 'maxConnections', 'stop of a listener'];
    for (const what of [...attempts, 'resolve', 'start', 'another one']) {
      await expect(server.ask('try', what)).rejects.toMatchObject({ code: 'ERR_REAGENT_STATE' });
    }
    expect(await server.ask('resolve', 'class')).toBe('Server1');
    expect(await server.ask('resolve', 'Server1')).toBe('Server1');
    await expect(server.ask('resolve', 'Server2')).rejects.toThrow('there is Server1');
    expect(await server.ask('worker')).toBe(null);
  });

  it('runs the main file with its arguments in workers, which can start listeners too, and whose children are none', async () => {
    await using server = await WorkersProcess.start({ workers: 1, execArgv: ['--trace-uncaught'] });
    const { client, pid } = await connect(server);
    await client.send('env');
    expect(await client.line()).toBe('worker 1: --trace-uncaught, {"workers":1, none');
    await client.send('start');
    const port = Number(await client.line());
    const other = await connect(server, port);
    expect(other.pid).toBe(pid);
    other.client.destroy();
    client.destroy();
  });
});

describe('an application with workers that cannot start', () => {
  it('ends with all that is wrong with it, and starts no process', async () => {
    const { code, log } = await WorkersProcess.fail({ listeners: [{ port: 65_536 }, {}], workers: { count: 0 } });
    expect(code).toBe(1);
    expect(log).toMatch(/ConfigurationError: 3 problems/);
    expect(log).toMatch(/workers.count: expected a whole number of 1 or more or 'auto', received 0/);
  });

  it.each([
    { lateDescriptors: false, name: 'known at the start' },
    { lateDescriptors: true, name: 'known in the workers' },
  ])('ends with the error of a single process if a port is taken that is $name', async ({ lateDescriptors }) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const listeners = [
      { port: 0, host: '127.0.0.1' },
      { port, host: '127.0.0.1' },
    ];
    const { code, log } = await WorkersProcess.fail({ listeners, lateDescriptors });
    taken.close();
    expect(code).toBe(1);
    expect(log.match(/^ListenError:/gm)).toHaveLength(1);
    expect(log).toContain(`Server2 cannot listen on 127.0.0.1:${port}: something already listens there`);
  });

  it('ends with the error if two of its listeners want the same port', async () => {
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, 'close');
    const { code, log } = await WorkersProcess.fail({ listeners: [{ port, host: '127.0.0.1' }, { port }] });
    expect(code).toBe(1);
    expect(log).toMatch(/ListenError.*Server2 cannot listen on port \d+ on all interfaces/);
  });

  it('ends with what a worker says, and leaves none', async () => {
    await using directory = await TemporaryDirectory.make();
    await writeFile(directory.at('fault'), '');
    const path = directory.at('socket');
    const { code, log } = await WorkersProcess.fail({ faultFile: directory.at('fault'), listeners: [{ path }] });
    expect(code).toBe(1);
    expect(log.match(/^ProviderError: Cannot make Fragile of AppModule/gm)).toHaveLength(1);
    expect(log).toContain('told to fail');
    await expect(TestClient.connect({ path })).rejects.toThrow('ENOENT');
  });

  it('says so where a worker ends before it gets that far', async () => {
    const { code, log } = await WorkersProcess.fail({
      execArgv: ['--import', 'data:text/javascript,if(process.env.REAGENT_WORKER)process.exit(7)'],
    });
    expect(code).toBe(1);
    expect(log).toMatch(/worker \d has ended with code 7 before it listened/);
  });

  it('does not start again what runs tests', async () => {
    const { bootstrap, Module } = await import('@reagent/core');
    @Module({})
    class Empty {}
    await expect(bootstrap(Empty, { workers: 2 })).rejects.toThrow(/runs tests|main thread/);
  });
});

describe('stopping an application with workers', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('by %s drains all workers, and ends with code 0', async (signal) => {
    await using server = await WorkersProcess.start({ polite: true });
    const clients = await connectToEach(server);
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
    const clients = await connectToEach(server);
    server.kill('SIGTERM');
    await server.logged(/stopping/);
    for (const client of clients.values()) await echoes(client);
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
    const clients = await connectToEach(server);
    await server.ask('stop', 20);
    for (const client of clients.values()) expect(await client.closed()).toBe('reset');
    expect(await server.exit()).toBe(0);
  });

  it('by killing the supervisor drains the workers too', async () => {
    await using server = await WorkersProcess.start({ polite: true });
    const clients = await connectToEach(server);
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
});

describe('a worker', () => {
  it('that dies takes its own connections along, and is replaced', async () => {
    await using server = await WorkersProcess.start();
    const [[doomed, victim], [other, survivor]] = [...(await connectToEach(server))] as [
      [number, TestClient],
      [number, TestClient],
    ];
    await server.ask('waitForConnections', 2);
    const before = (await server.stats()).connections.accepted;
    process.kill(doomed, 'SIGKILL');
    await victim.closed();
    await echoes(survivor);
    await server.logged(/a worker listens/);
    const pids = await server.pids();
    expect(pids).toHaveLength(2);
    expect(pids).toContain(other);
    expect(pids).not.toContain(doomed);
    const { workers, connections } = await server.stats();
    expect(workers?.processes.map(({ restarts }) => restarts).sort()).toEqual([0, 1]);
    // What it had counted is still counted; what it had open is not.
    expect(connections.accepted).toBeGreaterThanOrEqual(before);
    expect(connections.active).toBe(1);
    expect(server.log).toMatch(/a worker has died .*signal=SIGKILL/);
    const events = (await server.ask('events')) as string[];
    expect(events.slice(-3)).toEqual([
      expect.stringMatching(/^\d died SIGKILL$/),
      expect.stringMatching(/^\d starting$/),
      expect.stringMatching(/^\d listening$/),
    ]);
    survivor.destroy();
  });

  it('that hangs is killed and replaced', async () => {
    await using server = await WorkersProcess.start({ workers: { count: 2, heartbeat: 1_000 } });
    const { client, pid } = await connect(server);
    await client.send('hang');
    await server.logged(/a worker does not answer: killing it worker=\d pid=\d+ silent=\d{4}/);
    await server.logged(/a worker listens/);
    await until(() => !isAlive(pid));
    await client.closed();
    expect(await server.pids()).not.toContain(pid);
    expect(await server.ask('events')).toContainEqual(expect.stringMatching(/^\d hung$/));
  });

  it('may hang while its inspector is open', async () => {
    await using server = await WorkersProcess.start({ workers: { count: 1, heartbeat: 500 } });
    const { client } = await connect(server);
    await client.send('inspected hang');
    await server.logged(/Debugger listening/);
    await echoes(client);
    expect(server.log).not.toMatch(/does not answer/);
    client.destroy();
  });

  it.each(['SIGTERM', 'leave'] as const)('that is told to stop by itself (%s) drains, and is replaced', async (how) => {
    await using server = await WorkersProcess.start({ polite: true });
    const [[pid, client], [, other]] = [...(await connectToEach(server))] as [
      [number, TestClient],
      [number, TestClient],
    ];
    if (how === 'leave') await client.send('leave');
    else process.kill(pid, 'SIGTERM');
    await client.receive('goodbye\n');
    expect(await client.closed()).toBe('end');
    await server.logged(/a worker listens/);
    expect(await server.pids()).toHaveLength(2);
    await echoes(other);
    expect(server.log).not.toMatch(/has died/);
    other.destroy();
  });

  it('whose place is empty is stood in for by the others', async () => {
    // Nobody is there in time to replace it.
    const slow =
      'data:text/javascript,if(process.env.REAGENT_WORKER)await new Promise((resolve)=>setTimeout(resolve,700))';
    await using server = await WorkersProcess.start({ execArgv: ['--import', slow] });
    const [doomed, survivor] = (await server.pids()) as [number, number];
    process.kill(doomed, 'SIGKILL');
    await server.logged(/a worker has died/);
    for (let visits = 0; visits < 20; visits += 1) {
      const { client, pid } = await connect(server);
      expect(pid).toBe(survivor);
      client.destroy();
    }
    expect(server.log).not.toMatch(/a worker listens/);
    await server.logged(/a worker listens/);
    // And no longer, once it is there.
    await connectToEach(server);
  });

  it('that dies over and over ends the application with code 1', async () => {
    await using directory = await TemporaryDirectory.make();
    const faultFile = directory.at('fault');
    await using server = await WorkersProcess.start({ workers: { count: 2, maxRestarts: 2 }, faultFile });
    const [doomed] = (await server.pids()) as [number];
    await writeFile(faultFile, '');
    process.kill(doomed, 'SIGKILL');
    expect(await server.exit()).toBe(1);
    expect(server.log).toMatch(/FATAL workers die too often: ending the application.* deaths=3 within=60000/);
    expect(server.log).toMatch(/a worker could not be started .*told to fail/);
  });
});

describe('suspend and resume of an application with workers', () => {
  it('refuse new connections meanwhile, keep the open ones, and take the same port again', async () => {
    await using server = await WorkersProcess.start();
    const clients = await connectToEach(server);
    await server.ask('suspend');
    expect(await server.ask('listeners')).toMatchObject([{ status: 'suspended', port: server.port }]);
    await expect(TestClient.connect({ port: server.port })).rejects.toThrow('ECONNREFUSED');
    for (const client of clients.values()) await echoes(client);
    await server.ask('resume');
    expect(await server.ask('listeners')).toMatchObject([{ status: 'listening', port: server.port }]);
    for (const client of [...clients.values(), ...(await connectToEach(server)).values()]) client.destroy();
  });

  it('include a worker that is replaced meanwhile', async () => {
    await using server = await WorkersProcess.start();
    await server.ask('suspend');
    const [doomed] = (await server.pids()) as [number];
    process.kill(doomed, 'SIGKILL');
    await server.logged(/a worker listens/);
    await expect(TestClient.connect({ port: server.port })).rejects.toThrow('ECONNREFUSED');
    expect(await server.ask('listeners')).toMatchObject([{ status: 'suspended', port: server.port }]);
    await server.ask('resume');
    for (const client of (await connectToEach(server)).values()) client.destroy();
  });
});

describe('an inherited descriptor', () => {
  async function activated(): Promise<{ socket: Server; fd: number; port: number }> {
    const socket = createServer();
    socket.listen(0, '127.0.0.1');
    await once(socket, 'listening');
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    return { socket, fd, port: (socket.address() as AddressInfo).port };
  }

  it('is served by all workers', async () => {
    const { socket, fd, port } = await activated();
    await using server = await WorkersProcess.start({ listeners: [{ fd: 3 }], inherited: fd });
    socket.close();
    expect(server.port).toBe(port);
    for (const client of (await connectToEach(server)).values()) {
      await echoes(client);
      client.destroy();
    }
  });
});
