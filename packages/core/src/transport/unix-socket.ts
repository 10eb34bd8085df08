import { chmodSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { isMainThread } from 'node:worker_threads';

/** An error as the system would give it, for what only we can know. */
function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** Whether a server accepts connections on this socket file. */
function isLive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      // Anything but a refusal (no permission, a full backlog) does not prove that nobody is there.
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

/**
 * Removes the file that a server which ended without closing has left, so that its path can be bound again.
 *
 * @throws an error with code `EADDRINUSE` if a server listens there, or `EEXIST` if the file is no socket. It is left alone then.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  // Linux's abstract sockets have no file.
  if (path.startsWith('\0')) return;
  let file: Awaited<ReturnType<typeof lstat>>;
  try {
    file = await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // Without its directory, binding would fail with EACCES, as if it were forbidden.
    await lstat(dirname(path));
    return;
  }
  if (!file.isSocket())
    throw systemError('EEXIST', `${path} exists and is no socket; remove it or choose another path`);
  if (await isLive(path)) throw systemError('EADDRINUSE', `a server listens on ${path}`);
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    // Whoever else has removed it has done what was wanted.
    if (error.code !== 'ENOENT') throw error;
  });
}

/**
 * Binds a socket to a path where nobody listens, and gives its file the permissions that it is to have. Rejects with the system's error.
 *
 * @param bindPath makes the file before it returns, even if what it returns is a promise
 */
export async function makeSocketFile<T>(
  path: string,
  mode: number | undefined,
  bindPath: () => T | Promise<T>,
): Promise<T> {
  await removeStaleSocket(path);
  if (mode === undefined) return bindPath();
  const made = await masked(mode, bindPath);
  chmodSync(path, mode);
  return made;
}

/** With the mask set, there is no moment at which a file that is made is open to more than `mode` says. */
function masked<T>(mode: number, make: () => T): T {
  // Only the main thread may set it.
  if (!isMainThread) return make();
  const mask = process.umask(0o777 & ~mode);
  try {
    return make();
  } finally {
    process.umask(mask);
  }
}
