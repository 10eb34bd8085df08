import { chmodSync } from 'node:fs';
import type { ListenOptions, Server } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { removeStaleSocket } from './unix-socket.js';

/** Where to listen: one of `port`, `path` and `fd`. */
export interface BindTarget {
  readonly port: number | undefined;
  readonly path: string | undefined;
  readonly fd: number | undefined;
  readonly host: string | undefined;
  /** Permission bits of a Unix socket. */
  readonly mode: number | undefined;
  readonly backlog: number;
  readonly ipv6Only: boolean;
  readonly reusePort: boolean;
}

/** Whether this Node.js knows `reusePort`; older ones ignore it. */
export function canReusePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}

/** How an address is written for people. */
export function describeTarget({ port, path, fd, host }: BindTarget): string {
  if (path !== undefined) return path;
  if (fd !== undefined) return `fd ${fd}`;
  if (host === undefined) return `port ${port} on all interfaces`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Binds a server and starts to accept. Rejects with the system's error; the server can be bound again then. */
export async function bind(server: Server, target: BindTarget): Promise<void> {
  if (target.path !== undefined) await removeStaleSocket(target.path);
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: Error): void => {
      server.off('error', settle);
      server.off('listening', settle);
      if (error === undefined) resolve();
      else reject(error);
    };
    server.once('error', settle);
    server.once('listening', settle);
    listen(server, target);
  });
}

function listen(server: Server, target: BindTarget): void {
  const { port, path, fd, host, mode, backlog, ipv6Only, reusePort } = target;
  if (path === undefined) {
    const options: ListenOptions & { fd?: number; reusePort?: boolean } =
      fd === undefined ? { port, ipv6Only, reusePort } : { fd };
    server.listen(fd === undefined && host !== undefined ? { ...options, host, backlog } : { ...options, backlog });
    return;
  }
  if (mode === undefined) {
    server.listen({ path, backlog });
    return;
  }
  if (!isMainThread) {
    // Only the main thread may set the mask.
    server.once('listening', () => chmodSync(path, mode));
    server.listen({ path, backlog });
    return;
  }
  // The file is made inside `listen`: with the mask set, there is no moment at which it is open to more than `mode` says.
  const mask = process.umask(0o777 & ~mode);
  try {
    server.listen({ path, backlog });
  } finally {
    process.umask(mask);
  }
  server.once('listening', () => chmodSync(path, mode));
}

/** What a bound server has, besides its type, that concerns the options of its connections. */
interface OptionBearingServer {
  readonly _handle?: {
    setNoDelay?(enable: boolean): number;
    setKeepAlive?(enable: boolean, initialDelaySeconds: number): number;
  } | null;
  noDelay?: boolean;
  keepAlive?: boolean;
}

/** Options that all connections of a server are to have. */
export interface InheritedOptions {
  readonly noDelay: boolean;
  readonly keepAlive: boolean;
  /** Milliseconds. */
  readonly keepAliveInitialDelay: number;
}

/**
 * Sets the options that every connection is to have on the bound, listening socket, from which Linux copies them: else each
 * connection costs five more system calls. What cannot be set there, Node.js sets on each, as it would have anyway.
 */
export function bequeathOptions(server: Server, options: InheritedOptions): void {
  if (process.platform !== 'linux') return;
  const bearing = server as OptionBearingServer;
  const handle = bearing._handle;
  const seconds = Math.floor(options.keepAliveInitialDelay / 1_000);
  bearing.noDelay = options.noDelay && handle?.setNoDelay?.(true) !== 0;
  bearing.keepAlive = options.keepAlive && handle?.setKeepAlive?.(true, seconds) !== 0;
}

/** Stops accepting; resolves at once, whatever connections are still open. */
export function unbind(server: Server): void {
  if (server.listening) server.close();
}
