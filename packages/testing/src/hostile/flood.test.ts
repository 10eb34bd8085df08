import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type Connection, OnConnection, OnData, Reagent } from '@reagent/core';
import { expect, it } from 'vitest';
import { createTestApp } from '../create-test-app.js';
import { flood } from './flood.js';
import { FloodError } from './flood-error.js';

@Reagent({ port: 0, maxConnections: 10, maxWaiting: 0 })
class Small {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

it('tells those that were served from those that were reset', async () => {
  await using app = await createTestApp(Small).start();
  await using crowd = await flood(50, app.listener(Small), { send: 'hello' });
  await crowd.waitFor(({ answered, reset }) => answered === 10 && reset === 40);
  expect(crowd.counts).toEqual({ connecting: 0, open: 10, refused: 0, reset: 40, ended: 0, answered: 10 });
});

it('tells those that the server has ended', async () => {
  @Reagent({ port: 0 })
  class Bye {
    @OnConnection()
    bye(conn: Connection) {
      conn.send('bye');
    }
  }

  await using app = await createTestApp(Bye).start();
  await using crowd = await flood(20, app.listener(Bye));
  await crowd.waitFor(({ ended, answered }) => ended === 20 && answered === 20);
});

it('tells that nobody listens', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  await using crowd = await flood(20, { port });
  expect(crowd.counts).toMatchObject({ refused: 20, open: 0 });
});

it('closes all of them', async () => {
  await using app = await createTestApp(Small, { descriptors: { Small: { maxConnections: 100 } } }).start();
  {
    await using crowd = await flood(50, app.listener(Small));
    await app.listener(Small).waitForConnections((open) => open === 50, { timeout: 1_000 });
    expect(crowd.counts.open).toBe(50);
  }
  await app.listener(Small).waitForConnections((open) => open === 0, { timeout: 1_000 });
});

it('comes from one address, or each client from its own', async () => {
  const changes = { Small: { maxConnections: 100, maxConnectionsPerIp: 2 } };
  await using app = await createTestApp(Small, { descriptors: changes }).start();
  await using one = await flood(20, app.listener(Small), { localAddress: '127.0.0.200', send: 'x' });
  await one.waitFor(({ answered, reset }) => answered === 2 && reset === 18);
  await using many = await flood(20, app.listener(Small), { localAddress: (i) => `127.0.0.${2 + i}`, send: 'x' });
  await many.waitFor(({ answered }) => answered === 20);
});

it('goes to Unix sockets too', async () => {
  @Reagent({ path: '/run/small.sock' })
  class Local extends Small {}

  await using app = await createTestApp(Local).start();
  await using crowd = await flood(20, app.listener(Local), { send: 'x' });
  await crowd.waitFor(({ answered }) => answered === 20);
});

it('says how far it came when what a test waits for does not happen', async () => {
  await using app = await createTestApp(Small).start();
  await using crowd = await flood(12, app.listener(Small), { send: 'x' });
  await crowd.waitFor(({ reset, answered }) => reset === 2 && answered === 10);
  const waiting = crowd.waitFor(({ open }) => open === 12, { timeout: 10 });
  const error = await waiting.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(FloodError);
  expect((error as FloodError).message).toBe(
    'it did not become true within 10 ms that open === 12: 12 clients: 10 open, 2 reset; 10 answered',
  );
  expect((error as FloodError).stack).toContain('flood.test.ts');
});

it('comes through with what makes it impossible, and closes what is open', async () => {
  await using app = await createTestApp(Small).start();
  const impossible = flood(3, app.listener(Small), { localAddress: '203.0.113.1' });
  await expect(impossible).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
  await expect(flood(0, app.listener(Small))).rejects.toThrow(RangeError);
  await expect(flood(65_536, app.listener(Small))).rejects.toThrow(RangeError);
});
