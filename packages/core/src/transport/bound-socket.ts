// Sockets that are bound in one process and listened on in others.
//
// Node.js has this inside of node:cluster only, where a socket lasts as long as some worker listens on it. Here it lasts as long as the
// process that has bound it wants it to: what has connected waits in it while there is nobody to accept.

import { lookup } from 'node:dns/promises';
import net, { type AddressInfo, type Server } from 'node:net';
import { getSystemErrorMap } from 'node:util';
import type { BindTarget } from './bind.js';
import { boundEndpoint, type Endpoint } from './endpoint.js';
import { makeSocketFile } from './unix-socket.js';

/** What Node.js has for a socket; it can be sent along with a message to another process, which then has the same socket. */
export interface SocketHandle {
  getsockname?(into: object): number;
  close(): void;
}

/** Flags of libuv. */
const IPV6_ONLY = 1;
const REUSE_PORT = 2;

/** What node:cluster makes its sockets with. Gives the number of an error where there is one. */
type CreateHandle = (
  address: string | null,
  port: number | null,
  addressType: number | null,
  fd: number | undefined,
  flags: number,
) => SocketHandle | number;

/** For what is no address: a path. */
const NONE = -1;

/** A socket that is bound, and on which this process does not listen. */
export class BoundSocket {
  readonly handle: SocketHandle;
  readonly endpoint: Endpoint;

  private constructor(handle: SocketHandle, endpoint: Endpoint) {
    this.handle = handle;
    this.endpoint = endpoint;
  }

  /**
   * Binds a socket. Rejects with the system's error.
   *
   * @param target with `reusePort`, several may be bound to one port, and the kernel spreads connections over those that are listened on
   */
  static async bind(target: BindTarget): Promise<BoundSocket> {
    const { path, mode, fd } = target;
    if (path !== undefined) {
      return makeSocketFile(path, mode, () => BoundSocket.#made(createHandle(path, NONE, NONE, undefined, 0), target));
    }
    if (fd !== undefined) return BoundSocket.#made(createHandle(null, null, null, fd, 0), target);
    // The first address is the one that `listen` would take.
    const { address, family } = target.host === undefined ? { address: null, family: 4 } : await lookup(target.host);
    const flags = (target.ipv6Only ? IPV6_ONLY : 0) | (target.reusePort ? REUSE_PORT : 0);
    return BoundSocket.#made(createHandle(address, target.port ?? 0, family, undefined, flags), target);
  }

  static #made(handle: SocketHandle | number, { path }: Pick<BindTarget, 'path'>): BoundSocket {
    if (typeof handle === 'number') throw systemError(handle);
    const name: Partial<AddressInfo> = {};
    // That a port is taken is told by the first call after `bind`.
    const error = handle.getsockname?.(name) ?? 0;
    if (error !== 0) {
      handle.close();
      throw systemError(error);
    }
    return new BoundSocket(handle, boundEndpoint(name, path));
  }

  /** Lets go of it. A Unix socket's file is removed; connections that others can still accept are not touched. */
  close(): void {
    this.handle.close();
  }
}

function createHandle(...of: Parameters<CreateHandle>): SocketHandle | number {
  const { _createServerHandle: create } = net as unknown as { readonly _createServerHandle: CreateHandle };
  return create(...of);
}

function systemError(number: number): Error {
  const [code, message] = getSystemErrorMap().get(number) ?? [`${number}`, 'unknown error'];
  return Object.assign(new Error(`bind ${code}: ${message}`), { code, errno: number, syscall: 'bind' });
}

/** Has a server listen on a socket that was bound elsewhere. It emits 'listening' or 'error', as `listen` would. */
export function listenOn(server: Server, handle: SocketHandle, backlog: number): void {
  // `listen(handle)` does as much, except in a worker of node:cluster, where it asks the primary for a socket of its own.
  const adopting = server as unknown as {
    _handle: SocketHandle;
    _listen2(address: null, port: number, addressType: number, backlog: number): void;
  };
  adopting._handle = handle;
  adopting._listen2(null, NONE, NONE, backlog);
}
