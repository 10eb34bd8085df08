import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as net from 'node:net';

/** What `node:cluster` makes its sockets with: bound, and not accepted from by this process. */
const { _createServerHandle: createServerHandle } = net as unknown as {
  _createServerHandle(address: string, port: number, addressType: number): BoundHandle | number;
};

interface BoundHandle {
  readonly fd: number;
  getsockname?(into: { port?: number }): number;
  close(): void;
}

/** Listens on the descriptor 3 that it was given, and ends. The socket goes on listening as long as somebody has it. */
const LISTEN = `require('node:net').createServer().listen({ fd: 3 }, () => process.exit())`;

/**
 * A listening socket that this process keeps without taking connections from it, as a service manager does: they wait in the kernel
 * until a server has got its `fd`.
 */
export class ActivatedSocket implements AsyncDisposable {
  readonly #handle: BoundHandle;
  /** Where clients connect to. */
  readonly target: { readonly port: number } | { readonly path: string };

  private constructor(handle: BoundHandle, target: { readonly port: number } | { readonly path: string }) {
    this.#handle = handle;
    this.target = target;
  }

  /** At a free port of 127.0.0.1, or at a path. */
  static async listen(path?: string): Promise<ActivatedSocket> {
    const handle = path === undefined ? createServerHandle('127.0.0.1', 0, 4) : createServerHandle(path, -1, -1);
    if (typeof handle === 'number') throw new Error(`the socket could not be bound: ${handle}`);
    const name: { port?: number } = {};
    handle.getsockname?.(name);
    const child = spawn(process.execPath, ['-e', LISTEN], { stdio: ['ignore', 'ignore', 'inherit', handle.fd] });
    await once(child, 'exit');
    return new ActivatedSocket(handle, path === undefined ? { port: name.port ?? 0 } : { path });
  }

  /** For the `stdio` of a child process. */
  get fd(): number {
    return this.#handle.fd;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#handle.close();
  }
}
