// What concerns the process as a whole: signals, exit codes, file descriptors. The server runs in a process of its own.

import { TestClient } from '@reagent/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { ActivatedSocket } from './support/activated-socket.js';
import { build, ServerProcess } from './support/server-process.js';

beforeAll(build);

async function connect(server: ServerProcess): Promise<TestClient> {
  const client = await TestClient.connect({ port: server.port });
  await client.receive('hello\n');
  return client;
}

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  it('ends a process without connections with code 0', async () => {
    await using server = await ServerProcess.start({ descriptor: { port: 0 } });
    server.kill(signal);
    expect(await server.exit()).toBe(0);
  });

  it('lets connections say goodbye first', async () => {
    await using server = await ServerProcess.start({ descriptor: { port: 0 }, polite: true });
    const clients = [await connect(server), await connect(server)];
    server.kill(signal);
    for (const client of clients) {
      await client.receive('goodbye\n');
      expect(await client.closed()).toBe('end');
      client.destroy();
    }
    expect(await server.exit()).toBe(0);
  });

  it('waits for a connection, and the second one ends the process at once', async () => {
    await using server = await ServerProcess.start({ descriptor: { port: 0, timeouts: { shutdown: 60_000 } } });
    const client = await connect(server);
    server.kill(signal);
    await server.logged(/stopping/i);
    await client.send('still here?');
    await client.receive('still here?');
    server.kill(signal);
    expect(await server.exit()).not.toBe(0);
    await client.closed();
    client.destroy();
  });
});

it('under load a stop loses no answer: what a client gets is a whole number of its messages', async () => {
  await using server = await ServerProcess.start({ descriptor: { port: 0 }, polite: true });
  const clients = await Promise.all(Array.from({ length: 50 }, () => connect(server)));
  let exchanged = 0;
  const busy = clients.map(async (client) => {
    for (;;) {
      try {
        await client.send('0123456789');
        await client.receive('0123456789');
        exchanged += 1;
      } catch {
        return client; // The server said goodbye.
      }
    }
  });
  while (exchanged < 500) await new Promise((resolve) => setImmediate(resolve));
  server.kill('SIGTERM');
  for (const client of await Promise.all(busy)) {
    expect(await client.closed()).not.toBe('client');
    expect(client.received.toString()).toMatch(/^hello\n(0123456789)*goodbye\n$/);
    client.destroy();
  }
  expect(await server.exit()).toBe(0);
});

it('a process whose application has stopped ends by itself with code 0', async () => {
  await using server = await ServerProcess.start({ descriptor: { port: 0 }, polite: true });
  const client = await connect(server);
  await client.send('stop');
  await client.receive('goodbye\n');
  client.destroy();
  expect(await server.exit()).toBe(0);
});

it('hooks that throw or reject leave the process alone', async () => {
  await using server = await ServerProcess.start({ descriptor: { port: 0 } });
  for (const order of ['throw', 'reject', 'throw', 'reject']) {
    const client = await connect(server);
    await client.send(order);
    await client.closed();
    client.destroy();
  }
  const client = await connect(server);
  await client.send('still here?');
  await client.receive('still here?');
  client.destroy();
  server.kill('SIGTERM');
  expect(await server.exit()).toBe(0);
});

describe('an inherited descriptor', () => {
  it('is served as it is', async () => {
    await using socket = await ActivatedSocket.listen();
    await using server = await ServerProcess.start({ descriptor: { fd: 3 }, inherited: socket.fd });
    expect({ port: server.port }).toEqual(socket.target);
    const client = await connect(server);
    await client.send('hi');
    await client.receive('hi');
    client.destroy();
    server.kill('SIGTERM');
    expect(await server.exit()).toBe(0);
  });

  it('that is none is an error that names it', async () => {
    await expect(ServerProcess.start({ descriptor: { fd: 3 } })).rejects.toThrow(/Server.*(fd|descriptor) 3/);
  });
});

it('over the limit of file descriptors clients are refused cleanly, logged once, and served again later', async () => {
  // Enough for Node.js to load the modules, of which it has a hundred files open at a time.
  await using server = await ServerProcess.start({ descriptor: { port: 0 }, descriptors: 180 });
  const clients = await Promise.all(Array.from({ length: 240 }, () => TestClient.connect({ port: server.port })));
  const outcomes = await Promise.all(
    clients.map((client) =>
      client.receive('hello\n').then(
        () => 'served',
        () => client.closed(),
      ),
    ),
  );
  expect(new Set(outcomes)).toEqual(new Set(['served', 'reset']));
  const served = outcomes.filter((outcome) => outcome === 'served').length;
  expect(served).toBeGreaterThan(20);
  expect(served).toBeLessThan(180);

  const survivor = clients[outcomes.indexOf('served')];
  await survivor?.send('stats');
  const [statistics] = (await survivor?.receive(/^.*\}$/)) ?? ['{}'];
  expect(JSON.parse(statistics)).toMatchObject({
    connections: { active: served, rejected: { fileDescriptors: 240 - served } },
  });
  expect(server.log.split('\n').filter((line) => /descriptor/i.test(line))).toHaveLength(1);

  for (const client of clients) client.destroy();
  const later = await connectWhenThereIsRoom(server);
  await later.send('hi');
  await later.receive('hi');
  later.destroy();
});

/** The server has to notice first that its clients have left. */
async function connectWhenThereIsRoom(server: ServerProcess): Promise<TestClient> {
  for (;;) {
    const client = await TestClient.connect({ port: server.port });
    const answer = await client.recv().catch(() => null);
    if (answer !== null) return client;
    client.destroy();
  }
}
