import { once } from 'node:events';
import type { ListenOptions, Server } from 'node:net';
import { makeSocketFile } from './unix-socket.js';

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
  const { port, path, fd, host, mode, backlog, ipv6Only, reusePort } = target;
  if (path !== undefined) await makeSocketFile(path, mode, () => listen(server, { path, backlog }));
  else if (fd !== undefined) await listen(server, { fd, backlog });
  else await listen(server, { port, ...(host === undefined ? {} : { host }), ipv6Only, reusePort, backlog });
}

/** What `listen` takes; the types of the oldest Node.js that is served know some of it only. */
type ListenTarget = ListenOptions & { readonly fd?: number; readonly reusePort?: boolean };

async function listen(server: Server, target: ListenTarget): Promise<void> {
  const listening = once(server, 'listening');
  server.listen(target);
  await listening;
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
