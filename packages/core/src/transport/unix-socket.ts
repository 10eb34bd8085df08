import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';

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
