// Workers that die, hang or leave, and those that replace them.

import { writeFile } from 'node:fs/promises';
import type { TestClient } from '@reagent/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isAlive } from './support/is-alive.js';
import { TemporaryDirectory } from './support/temporary-directory.js';
import { until } from './support/until.js';
import { hurried, WorkersProcess } from './support/workers-process.js';
import { bundle } from './support/workers-program.js';

beforeAll(bundle);

describe('a worker', () => {
  let server: WorkersProcess;
  /** Where the log of the present test begins. */
  let begin = 0;
  let restarts: readonly number[] = [];
  let eventsBefore = 0;

  beforeAll(async () => {
    server = await WorkersProcess.start({
      workers: { count: 2, heartbeat: 1_000 },
      atShutdown: 'goodbye',
      execArgv: hurried,
    });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  beforeEach(async () => {
    while ((await server.pids()).length < 2) await server.logged(/a worker listens/, begin);
    begin = server.log.length;
    restarts = await restartsOf(server);
    eventsBefore = (await events()).length;
  });

  /** The processes of a worker's end and of its successor's beginning. */
  async function events(): Promise<string[]> {
    return (await server.ask('events')) as string[];
  }

  async function connectToBoth(): Promise<[[number, TestClient], [number, TestClient]]> {
    return [...(await server.connectToEach())] as [[number, TestClient], [number, TestClient]];
  }

  it('that dies takes its own connections along, and is replaced', async () => {
    const [[doomed, victim], [other, survivor]] = await connectToBoth();
    await server.ask('waitForConnections', 2);
    const before = (await server.stats()).connections.accepted;
    process.kill(doomed, 'SIGKILL');
    await victim.closed();
    await echoes(survivor);
    await server.logged(/a worker listens/, begin);
    const pids = await server.pids();
    expect(pids).toHaveLength(2);
    expect(pids).toContain(other);
    expect(pids).not.toContain(doomed);
    expect(sum(await restartsOf(server))).toBe(sum(restarts) + 1);
    const { connections } = await server.stats();
    // What it had counted is still counted; what it had open is not.
    expect(connections.accepted).toBeGreaterThanOrEqual(before);
    expect(connections.active).toBe(1);
    expect(server.log.slice(begin)).toMatch(new RegExp(`a worker has died worker=\\d pid=${doomed} .*signal=SIGKILL`));
    expect((await events()).slice(eventsBefore)).toEqual([
      expect.stringMatching(/^\d died SIGKILL$/),
      expect.stringMatching(/^\d starting$/),
      expect.stringMatching(/^\d listening$/),
    ]);
    survivor.destroy();
  });

  it('that hangs is killed and replaced', async () => {
    const { client, pid } = await server.connect();
    await client.send('hang');
    await server.logged(/a worker does not answer: killing it worker=\d pid=\d+ silent=\d{4}/, begin);
    await server.logged(/a worker listens/, begin);
    await until(() => !isAlive(pid));
    await client.closed();
    expect(await server.pids()).not.toContain(pid);
    expect((await events()).slice(eventsBefore)).toContainEqual(expect.stringMatching(/^\d hung$/));
  });

  it.each(['SIGTERM', 'leave'] as const)('that is told to stop by itself (%s) drains, and is replaced', async (how) => {
    const [[pid, client], [, other]] = await connectToBoth();
    if (how === 'leave') await client.send('leave');
    else process.kill(pid, 'SIGTERM');
    await client.receive('goodbye\n');
    expect(await client.closed()).toBe('end');
    await server.logged(/a worker listens/, begin);
    const pids = await server.pids();
    expect(pids).toHaveLength(2);
    expect(pids).not.toContain(pid);
    await echoes(other);
    expect(server.log.slice(begin)).not.toMatch(/has died/);
    other.destroy();
  });
});

describe('a place without a worker', () => {
  it('is stood in for by the others', async () => {
    // Nobody is there in time to replace it.
    const slow =
      'data:text/javascript,if(process.env.REAGENT_WORKER)await new Promise((resolve)=>setTimeout(resolve,700))';
    await using server = await WorkersProcess.start({ execArgv: ['--import', slow] });
    const [doomed, survivor] = (await server.pids()) as [number, number];
    process.kill(doomed, 'SIGKILL');
    await server.logged(/a worker has died/);
    for (let visits = 0; visits < 20; visits += 1) {
      const { client, pid } = await server.connect();
      expect(pid).toBe(survivor);
      client.destroy();
    }
    expect(server.log).not.toMatch(/a worker listens/);
    await server.logged(/a worker listens/);
    // And no longer, once it is there.
    await server.connectToEach();
  });

  it('ends the application with code 1 if workers die in it over and over', async () => {
    await using directory = await TemporaryDirectory.make();
    const faultFile = directory.at('fault');
    await using server = await WorkersProcess.start({ workers: { count: 2, maxRestarts: 2 }, faultFile });
    const [doomed] = (await server.pids()) as [number];
    await writeFile(faultFile, 'all');
    process.kill(doomed, 'SIGKILL');
    expect(await server.exit()).toBe(1);
    expect(server.log).toMatch(/FATAL workers die too often: ending the application.* deaths=3 within=60000/);
    expect(server.log).toMatch(/a worker could not be started .*told to fail/);
  });
});

async function restartsOf(server: WorkersProcess): Promise<readonly number[]> {
  return (await server.stats()).workers?.processes.map(({ restarts }) => restarts) ?? [];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

async function echoes(client: TestClient): Promise<void> {
  await client.send('still here?');
  await client.receive('still here?');
}
