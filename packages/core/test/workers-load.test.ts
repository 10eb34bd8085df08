// Applications with workers under load, from a process of its own.

import { connect } from 'node:net';
import { certificates } from '@reagent/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { build } from './support/server-process.js';
import { TemporaryDirectory } from './support/temporary-directory.js';
import { Visitors } from './support/visitors.js';
import { WorkersProcess } from './support/workers-process.js';

beforeAll(build);

describe('under load', () => {
  it('a reload replaces all workers, refuses nobody and loses no answer, on a port, a Unix socket and with TLS', async () => {
    await using directory = await TemporaryDirectory.make();
    const path = directory.at('socket');
    const { server: identity, ca } = await certificates();
    await using server = await WorkersProcess.start({
      workers: 2,
      secure: { cert: String(identity.cert), key: String(identity.key) },
      listeners: [
        { port: 0, host: '127.0.0.1' },
        { path, mode: 0o600 },
        { port: 0, host: '127.0.0.1', secure: true },
      ],
    });
    const before = await server.pids();
    const targets = [{ port: server.port }, { path }, { port: server.listeners[2]?.port ?? 0, ca: String(ca.cert) }];
    await using visitors = await Visitors.start(targets, 5);
    // By signal, and one that is asked for meanwhile, which comes after it.
    server.kill('SIGHUP');
    await server.logged(/reloading/);
    await server.ask('reload');
    await server.logged(/all workers replaced[\s\S]*all workers replaced/);
    const after = await server.pids();
    expect(after).toHaveLength(2);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
    const { visits, failures, hosts } = await visitors.stop();
    expect(failures).toEqual({});
    expect(visits).toBeGreaterThan(200);
    expect(Object.keys(hosts).map(Number)).toEqual(expect.arrayContaining(before));
    server.kill('SIGTERM');
    expect(await server.exit()).toBe(0);
    expect(server.log).not.toMatch(/ERROR|WARN/);
  });

  it('a worker that is killed takes along what it was doing, and nothing else', async () => {
    await using server = await WorkersProcess.start({ workers: 2 });
    const [doomed] = (await server.pids()) as [number];
    const concurrency = 10;
    await using visitors = await Visitors.start([{ port: server.port }], concurrency);
    process.kill(doomed, 'SIGKILL');
    await server.logged(/a worker listens/);
    const { failures } = await visitors.stop();
    // At that moment, so many clients at most were connected to it.
    const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
    expect(failed).toBeLessThanOrEqual(concurrency);
    // Nobody was refused.
    expect(
      Object.keys(failures).filter((failure) => !/^(read ECONNRESET|closed without an answer)$/.test(failure)),
    ).toEqual([]);
  });

  it('a stop answers all that was asked: what a client gets is a whole number of its messages', async () => {
    await using server = await WorkersProcess.start({ workers: 2, atShutdown: 'goodbye' });
    const clients = await Promise.all(Array.from({ length: 40 }, () => chat(server.port)));
    await Promise.all(clients.map(({ busy }) => busy));
    server.kill('SIGTERM');
    for (const received of await Promise.all(clients.map(({ over }) => over))) {
      expect(received).toMatch(/^\d+\n(0123456789)*goodbye\n$/);
    }
    expect(await server.exit()).toBe(0);
  });
});

/** A client that sends a message whenever it has got the one before back, until the server ends the connection. */
async function chat(port: number): Promise<{ busy: Promise<void>; over: Promise<string> }> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  let received = '';
  let tellBusy = (): void => undefined;
  const busy = new Promise<void>((resolve) => {
    tellBusy = resolve;
  });
  socket.on('data', (data: string) => {
    received += data;
    if (received.length > 100) tellBusy();
    if (/(\n|9)$/.test(received) && !received.endsWith('goodbye\n')) socket.write('0123456789');
  });
  const over = new Promise<string>((resolve) => {
    // What it sends after the server's end may be answered with a reset.
    socket.on('error', () => resolve(received)).on('close', () => resolve(received));
  });
  return { busy, over };
}
