// More clients than the process has file descriptors, at each kind of listener: the server runs in a process of its own.

import type { ListenerStatistics } from '@reagent/core';
import { TestClient } from '@reagent/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { approach, type Front, fronts } from './support/fronts.js';
import { build, ServerProcess } from './support/server-process.js';

beforeAll(build);

/** Enough for Node.js to load the modules, of which it has a hundred files open at a time. */
const DESCRIPTORS = 180;

const CLIENTS = 240;

function come(server: ServerProcess, front: Front): Promise<TestClient> {
  return TestClient.connect({ port: server.port }, { timeout: 20_000, ...approach(front, 'connection', '127.0.0.66') });
}

/** Whether a client was served. */
async function isServed(client: TestClient): Promise<boolean> {
  return client.receive('hello\n').then(
    () => true,
    () => false,
  );
}

/** The server has to notice first that its clients have left. */
async function comeWhenThereIsRoom(server: ServerProcess, front: Front): Promise<TestClient> {
  for (;;) {
    const client = await come(server, front).catch(() => undefined);
    if (client !== undefined && (await isServed(client))) return client;
    client?.destroy();
  }
}

/** The honest client asks until the server has seen the whole crowd. */
async function countsWhenAllHaveCome(honest: TestClient): Promise<ListenerStatistics['connections']> {
  for (;;) {
    await honest.send('stats');
    const [statistics] = await honest.receive(/^.*\}$/);
    const { connections } = JSON.parse(statistics) as ListenerStatistics;
    if (connections.accepted === CLIENTS + 1) return connections;
  }
}

describe.each(fronts)('at a $name listener that has no descriptor left', (front) => {
  it('clients are refused cleanly, those inside do not notice, and others are served when they have left', async () => {
    const descriptor = { ...front.descriptor, port: 0, timeouts: { handshake: 60_000, proxyHeader: 60_000 } };
    await using server = await ServerProcess.start({ descriptor, descriptors: DESCRIPTORS });
    const honest = await comeWhenThereIsRoom(server, front);
    // They owe a header or a handshake where there is one, and hold their descriptors.
    const crowd = await Promise.all(
      Array.from({ length: CLIENTS }, () => TestClient.connect({ port: server.port }, { timeout: 20_000 })),
    );
    const { active, rejected } = await countsWhenAllHaveCome(honest);
    expect(active).toBeGreaterThan(20);
    expect(active).toBeLessThan(DESCRIPTORS);
    expect(rejected.fileDescriptors).toBe(CLIENTS + 1 - active);
    expect(server.log.split('\n').filter((line) => /descriptor/i.test(line))).toHaveLength(1);
    for (const client of crowd) client.destroy();
    const later = await comeWhenThereIsRoom(server, front);
    await later.send('hi');
    await later.receive('hi');
    later.destroy();
    honest.destroy();
    server.kill('SIGTERM');
    expect(await server.exit()).toBe(0);
  });
});
