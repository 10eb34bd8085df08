// Listeners on the path of a Unix socket.

import { once } from 'node:events';
import { lstat, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Connection, ListenError, OnConnection, OnData, Reagent } from '@reagent/core';
import { createTestApp, TestClient } from '@reagent/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mailbox } from './support/mailbox.js';
import { runScript } from './support/run-script.js';

let directory: string;
let made = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reagent-'));
});

afterAll(() => rm(directory, { recursive: true }));

function freshPath(): string {
  made += 1;
  return join(directory, `${made}.sock`);
}

@Reagent({ path: '/replaced/by/the/test', name: 'local' })
class Local {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

const at = (path: string, more: object = {}) => createTestApp(Local, { descriptors: { local: { path, ...more } } });

async function echoes(client: TestClient): Promise<void> {
  await client.send('hi');
  await client.receive('hi');
}

/** Leaves a socket file behind, as a process does that was killed. */
async function leaveStaleSocket(path: string): Promise<void> {
  await runScript(
    `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
  );
  expect((await lstat(path)).isSocket()).toBe(true);
}

describe('a Unix socket', () => {
  it('serves as a port does, half-close included', async () => {
    const path = freshPath();
    await using app = await at(path).start();
    expect(app.listener('local')).toMatchObject({ address: path, port: 0, status: 'listening' });
    const client = await app.connect('local');
    await echoes(client);
    await client.send('bye');
    await client.end();
    await client.receive('bye');
    expect(await client.closed()).toBe('end');
  });

  it('gives its connections endpoints of family unix', async () => {
    const opened = new Mailbox<Connection>();

    @Reagent({ path: '/replaced/by/the/test', name: 'local' })
    class Named {
      @OnConnection()
      open(conn: Connection) {
        opened.put(conn);
      }
    }

    const path = freshPath();
    await using app = await createTestApp(Named, { descriptors: { local: { path } } }).start();
    await app.connect('local');
    const conn = await opened.take();
    expect(conn.local).toEqual({ address: path, port: 0, family: 'unix' });
    expect(conn.remote).toMatchObject({ port: 0, family: 'unix' });
  });

  it('is removed when the listener stops', async () => {
    const path = freshPath();
    const app = await at(path).start();
    expect((await lstat(path)).isSocket()).toBe(true);
    await app.stop();
    await expect(lstat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.each([0o600, 0o660, 0o777])('has the permissions %o of its mode', async (mode) => {
    const path = freshPath();
    await using _ = await at(path, { mode }).start();
    expect((await stat(path)).mode & 0o777).toBe(mode);
  });

  it('replaces a stale file', async () => {
    const path = freshPath();
    await leaveStaleSocket(path);
    await using app = await at(path).start();
    await echoes(await app.connect('local'));
  });

  it('does not replace one on which somebody listens', async () => {
    const path = freshPath();
    const server = createServer((socket) => {
      socket.on('error', () => {}); // Whoever only looks whether somebody listens is gone at once.
      socket.end('the first one');
    }).listen(path);
    await once(server, 'listening');
    const error = await at(path)
      .start()
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ListenError);
    expect(error).toMatchObject({ code: 'EADDRINUSE', listener: 'local', address: path });
    const client = await TestClient.connect({ path });
    await client.receive('the first one');
    client.destroy();
    server.close();
  });

  it('does not replace a file that is no socket', async () => {
    const path = freshPath();
    await writeFile(path, 'precious');
    await expect(at(path).start()).rejects.toBeInstanceOf(ListenError);
    expect((await lstat(path)).isFile()).toBe(true);
  });

  it('in a directory that does not exist is an error that says so', async () => {
    const path = join(directory, 'missing', 'a.sock');
    const error = await at(path)
      .start()
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ListenError);
    expect((error as Error).message).toContain(path);
    expect((error as Error).message).toContain('directory');
  });

  it('that is too long for the system is an error that says so', async () => {
    const path = join(directory, 'x'.repeat(120));
    const error = await at(path)
      .start()
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toMatch(/local/i);
  });

  it('comes back at the same path after suspend and resume, with its mode', async () => {
    const path = freshPath();
    await using app = await at(path, { mode: 0o600 }).start();
    const client = await app.connect('local');
    await echoes(client);
    await app.listener('local').suspend();
    await expect(app.connect('local')).rejects.toThrow();
    await echoes(client);
    await app.listener('local').resume();
    await echoes(await app.connect('local'));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('limits its connections as a port does', async () => {
    const path = freshPath();
    await using app = await at(path, { maxConnections: 1, maxWaiting: 0 }).start();
    const first = await app.connect('local');
    await echoes(first);
    const second = await app.connect('local');
    await second.closed();
    expect(second.received.length).toBe(0);
    expect(app.listener('local').stats().connections.rejected.maxConnections).toBe(1);
    await echoes(first);
  });
});
