import { readSync } from 'node:fs';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TestClientTarget } from './test-client-options.js';

const LOOPBACK = '127.0.0.1';

/** What carries the bytes of a client, and what only that knows. */
export interface ClientTransport {
  /** Errors are told by its `error` event. Allows for half-open connections. */
  readonly stream: Duplex;
  /** Whether the stream is going to emit `connect`; it is connected otherwise. */
  readonly connecting: boolean;
  /** What it is connected to, in an error's words. */
  readonly name: string;
  /** Whom a certificate has to name. */
  readonly host: string;
  /** The client's port, while it is connected; `undefined` where there are no ports. */
  readonly localPort: number | undefined;
  /** The address of the server, while it is connected; `undefined` where there is none. */
  readonly remote: { readonly address: string; readonly port: number } | undefined;
  /**
   * To be asked at the stream's end, which stands for a reset where that comes so close behind bytes that libuv finds both at once: the
   * error that it was then.
   */
  resetAtEnd(): Error | undefined;
  /** Has its stream end with a RST when it is destroyed, where there is such a thing. */
  resetWhenDestroyed(): void;
}

/** A TCP or Unix socket that is about to connect. */
export class SocketTransport implements ClientTransport {
  readonly stream: Socket;
  readonly connecting = true;
  readonly name: string;
  readonly host: string;
  readonly #isTcp: boolean;

  constructor(target: TestClientTarget, localAddress: string | undefined) {
    this.#isTcp = !('path' in target);
    const { host = LOOPBACK } = 'path' in target ? { host: 'localhost' } : target;
    this.host = host;
    this.name = 'path' in target ? target.path : `${host}:${target.port}`;
    const where: NetConnectOpts =
      'path' in target
        ? { path: target.path }
        : { port: target.port, host, ...(localAddress !== undefined && { localAddress }) };
    this.stream = connect({ ...where, allowHalfOpen: true });
    if (this.#isTcp) this.stream.setNoDelay(true);
  }

  get localPort(): number | undefined {
    return this.stream.localPort;
  }

  get remote(): { readonly address: string; readonly port: number } | undefined {
    const { remoteAddress: address, remotePort: port } = this.stream;
    return address === undefined || port === undefined ? undefined : { address, port };
  }

  resetAtEnd(): Error | undefined {
    const { _handle } = this.stream as SystemSocket;
    if (typeof _handle?.getpeername !== 'function' || _handle.getpeername({}) === 0) return undefined;
    try {
      // Nobody is connected any more, and everything has been read. The system knows whether a FIN came before the reset; TLS, where it
      // is read through that, does not go on after an end.
      readSync(_handle.fd, Buffer.alloc(1));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return error;
    }
    return undefined;
  }

  /** A Unix socket is closed, it has no RST. */
  resetWhenDestroyed(): void {
    // What Node.js's `resetAndDestroy` sets too, but that first sends what is left.
    if (this.#isTcp) (this.stream as Socket & { resetAndClosing: boolean }).resetAndClosing = true;
  }
}

/** What a socket works with. The function gives 0, or the system's error; it is not there for Unix sockets. */
type SystemSocket = Socket & {
  readonly _handle?: { readonly fd: number; getpeername?(name: object): number } | null;
};
