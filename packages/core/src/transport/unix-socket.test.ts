import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runScript } from '../../test/support/run-script.js';
import { makeSocketFile, removeStaleSocket } from './unix-socket.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reagent-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** Leaves the socket file of a server that was killed. */
async function stale(name: string): Promise<string> {
  const path = join(directory, name);
  await runScript(`require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`);
  expect(existsSync(path)).toBe(true);
  return path;
}

describe('removeStaleSocket', () => {
  it('removes the file of a server that is gone', async () => {
    const path = await stale('gone.sock');
    await removeStaleSocket(path);
    expect(existsSync(path)).toBe(false);
  });

  it('does nothing where there is no file, nor for an abstract socket', async () => {
    await removeStaleSocket(join(directory, 'none.sock'));
    await removeStaleSocket('\0reagent');
  });

  it('leaves a server alone that listens, and says so', async () => {
    const path = join(directory, 'live.sock');
    const server = createServer().listen(path);
    await once(server, 'listening');
    await expect(removeStaleSocket(path)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(existsSync(path)).toBe(true);
    server.close();
  });

  it('leaves a file alone that is no socket, and says so', async () => {
    const path = join(directory, 'notes.txt');
    await writeFile(path, 'precious');
    await expect(removeStaleSocket(path)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(existsSync(path)).toBe(true);
  });

  it('does not follow a link to a stale socket', async () => {
    const target = await stale('target.sock');
    const link = join(directory, 'link.sock');
    await symlink(target, link);
    await expect(removeStaleSocket(link)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(existsSync(target)).toBe(true);
  });

  it('passes on what else goes wrong', async () => {
    const path = join(directory, 'notes.txt');
    await writeFile(path, '');
    await expect(removeStaleSocket(join(path, 'below.sock'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});

describe('makeSocketFile', () => {
  it.each([0o600, 0o660, 0o777])('leaves no moment at which the file is open to more or less than %o', async (mode) => {
    const path = join(directory, 'moment.sock');
    const server = createServer();
    const mask = process.umask(0o022);
    try {
      const atFirst = await makeSocketFile(path, mode, () => {
        server.listen(path);
        return statSync(path).mode & 0o777;
      });
      expect(atFirst).toBe(mode);
      expect(process.umask()).toBe(0o022);
      expect(statSync(path).mode & 0o777).toBe(mode);
    } finally {
      process.umask(mask);
      server.close();
    }
  });

  it('gives the mask back when nothing can be bound', async () => {
    const mask = process.umask();
    const binding = makeSocketFile(join(directory, 'never.sock'), 0o600, () => {
      throw new RangeError('told to');
    });
    await expect(binding).rejects.toThrow(RangeError);
    expect(process.umask()).toBe(mask);
  });
});
