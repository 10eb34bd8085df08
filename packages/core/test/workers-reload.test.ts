// Reloads of applications with workers that do not go as they should, and what is asked for meanwhile.

import { writeFile } from 'node:fs/promises';
import type { TestClient } from '@reagent/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { isAlive } from './support/is-alive.js';
import { TemporaryDirectory } from './support/temporary-directory.js';
import { hurried, WorkersProcess } from './support/workers-process.js';
import { bundle } from './support/workers-program.js';

beforeAll(bundle);

/** Connections may stay so long when a worker is to stop. */
function draining(milliseconds: number) {
  return [{ port: 0, host: '127.0.0.1', timeouts: { shutdown: milliseconds } }];
}

async function echoes(client: TestClient): Promise<void> {
  await client.send('still here?');
  await client.receive('still here?');
}

describe('a reload in which a worker does not come up', () => {
  it("rejects with that worker's error, leaves the old ones in place, and succeeds when the fault is gone", async () => {
    await using directory = await TemporaryDirectory.make();
    const faultFile = directory.at('fault');
    await using server = await WorkersProcess.start({ faultFile, listeners: draining(1) });
    const clients = await server.connectToEach();
    const before = await server.pids();

    await writeFile(faultFile, 'all');
    await expect(server.ask('reload')).rejects.toMatchObject({
      name: 'ProviderError',
      code: 'ERR_REAGENT_PROVIDER',
      message: expect.stringContaining('told to fail'),
    });
    await server.logged(/WARN .*the reload has ended early: a worker does not come up replaced=0 workers=2/);
    expect(await server.pids()).toEqual(before);
    for (const client of clients.values()) await echoes(client);
    expect(before).toContain((await server.connect()).pid);

    server.kill('SIGHUP');
    await server.logged(/ERROR .*not all could be reloaded; what could not stays as it was .*told to fail/s);
    expect(await server.pids()).toEqual(before);

    await writeFile(faultFile, '');
    await server.ask('reload');
    const after = await server.pids();
    expect(after).toHaveLength(2);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
    expect(after).toContain((await server.connect()).pid);
    // That it did not come up in a reload is no death: nothing was lost, and nothing is to be replaced.
    const { workers } = await server.stats();
    expect(workers?.processes.map(({ restarts }) => restarts)).toEqual([0, 0]);
    expect(server.log).not.toMatch(/has died|starting a worker/);
  });

  it('keeps those that were replaced before', async () => {
    await using directory = await TemporaryDirectory.make();
    const faultFile = directory.at('fault');
    await using server = await WorkersProcess.start({ faultFile });
    const before = await server.pidsById();
    await writeFile(faultFile, '2');
    await expect(server.ask('reload')).rejects.toThrow('told to fail');
    await server.logged(/the reload has ended early: a worker does not come up replaced=1 workers=2/);
    const after = await server.pidsById();
    expect([...after.keys()].sort()).toEqual([1, 2]);
    expect(after.get(1)).not.toBe(before.get(1));
    expect(after.get(2)).toBe(before.get(2));
    expect(new Set((await server.connectToEach()).keys())).toEqual(new Set(after.values()));
  });
});

describe('a reload of a worker that does not end', () => {
  it('resets its connections after timeouts.shutdown, and goes on', async () => {
    await using server = await WorkersProcess.start({ workers: 1, listeners: draining(200) });
    const { client, pid } = await server.connect();
    await server.ask('reload');
    expect(await client.closed()).toBe('reset');
    expect(isAlive(pid)).toBe(false);
    expect(await server.pids()).toHaveLength(1);
    expect(server.log).not.toMatch(/killing|has died/);
  });

  it.each([
    { lasting: 'disposal', why: 'it has not stopped in time' },
    { lasting: 'process', why: 'its application has stopped, but something else keeps the process' },
  ] as const)('kills it if its $lasting goes on, says why, and goes on', async ({ lasting, why }) => {
    await using server = await WorkersProcess.start({
      workers: 1,
      lasting,
      listeners: draining(100),
      execArgv: hurried,
    });
    const [pid] = (await server.pids()) as [number];
    await server.ask('reload');
    await server.logged(new RegExp(`WARN .*killing a worker: ${why}.* worker=1 pid=${pid}`));
    expect(isAlive(pid)).toBe(false);
    expect(await server.pids()).toHaveLength(1);
  });

  it('kills it if it hangs meanwhile, and goes on', async () => {
    await using server = await WorkersProcess.start({
      workers: { count: 1, heartbeat: 500 },
      atShutdown: 'hang',
      execArgv: hurried,
    });
    const { client, pid } = await server.connect();
    await server.ask('reload');
    await client.closed();
    await server.logged(new RegExp(`a worker does not answer: killing it worker=1 pid=${pid}`));
    expect(isAlive(pid)).toBe(false);
    const [next] = await server.pids();
    expect((await server.connect()).pid).toBe(next);
  });
});

describe('a reload and a stop', () => {
  it('at the same time end in a stop: the reload is told so, and nobody is left', async () => {
    await using server = await WorkersProcess.start();
    const before = await server.pids();
    const [reload, stop] = await Promise.allSettled([server.ask('reload'), server.ask('stop', 0)]);
    expect(stop).toMatchObject({ status: 'fulfilled' });
    expect(reload).toMatchObject({
      status: 'rejected',
      reason: { code: 'ERR_REAGENT_STATE', message: expect.stringContaining('has been stopped') },
    });
    // It resolves when the last worker has closed its output.
    expect(await server.exit()).toBe(0);
    for (const pid of before) expect(isAlive(pid)).toBe(false);
    expect(server.log).not.toMatch(/ERROR|WARN/);
  });

  it.each(['starts', 'drains'] as const)('while a worker %s end in a stop with code 0', async (when) => {
    const slow =
      'data:text/javascript,if(process.env.REAGENT_WORKER)await new Promise((resolve)=>setTimeout(resolve,300))';
    await using server = await WorkersProcess.start({
      listeners: draining(300),
      execArgv: when === 'starts' ? ['--import', slow] : [],
    });
    // Whoever is to drain has something to wait for.
    if (when === 'drains') await server.connectToEach();
    server.kill('SIGHUP');
    await server.logged(when === 'starts' ? /^event: 1 starting$[\s\S]*^event: 1 starting$/m : /^event: 1 draining$/m);
    server.kill('SIGTERM');
    expect(await server.exit()).toBe(0);
    // Of connections that are reset in the end, there may be warnings.
    expect(server.log).not.toMatch(/ERROR|all workers replaced/);
  });
});

describe('the statistics of an application with workers', () => {
  it('add up what all have counted, and never fall when a worker is killed or replaced', async () => {
    await using server = await WorkersProcess.start({
      workers: { count: 2, heartbeat: 1_000 },
      listeners: draining(1),
    });
    let isOver = false;
    const watching = watch();
    const clients = [...(await Promise.all(Array.from({ length: 6 }, () => server.connect())))];
    await server.ask('waitForConnections', 6);
    const [{ pid: doomed }] = clients as [(typeof clients)[0]];
    process.kill(doomed, 'SIGKILL');
    await server.logged(/a worker listens/);
    const { connections } = await server.stats();
    expect(connections).toMatchObject({ accepted: 6, active: clients.filter(({ pid }) => pid !== doomed).length });
    await server.ask('reload');
    for (let count = 0; count < 3; count += 1) await server.connect();
    await server.ask('waitForConnections', 3);
    isOver = true;
    await watching;
    const { listeners } = await server.stats();
    expect(listeners.Server1?.connections).toMatchObject({ accepted: 9, active: 3 });
    // Of those that were open when their worker was killed, nobody can say how they ended; the others were reset by the reload.
    const reset = clients.filter(({ pid }) => pid !== doomed).length;
    expect(Object.values(listeners.Server1?.connections.closed ?? {}).reduce((sum, count) => sum + count, 0)).toBe(
      reset,
    );

    /** Asks over and over, and compares each answer with the one before. */
    async function watch(): Promise<void> {
      let last: readonly number[] = [];
      while (!isOver) {
        const { Server1 } = (await server.stats()).listeners;
        if (Server1 === undefined) throw new Error('the listener is gone');
        const { connections, bytes, messages } = Server1;
        const { accepted, closed } = connections;
        const counts = [accepted, ...Object.values(closed), bytes.in, bytes.out, messages.in, messages.out];
        for (const [index, count] of counts.entries()) expect(count).toBeGreaterThanOrEqual(last[index] ?? 0);
        last = counts;
      }
    }
  });
});
