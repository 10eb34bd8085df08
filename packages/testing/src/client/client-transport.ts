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
   * Whether `end` may stand for a reset: libuv tells of a RST that comes right behind bytes as of a FIN, if it has read all of them in
   * one go. A write fails then.
   */
  readonly mayEndForReset: boolean;
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

  get mayEndForReset(): boolean {
    return this.#isTcp;
  }

  get localPort(): number | undefined {
    return this.stream.localPort;
  }

  get remote(): { readonly address: string; readonly port: number } | undefined {
    const { remoteAddress: address, remotePort: port } = this.stream;
    return address === undefined || port === undefined ? undefined : { address, port };
  }

  /** A Unix socket is closed, it has no RST. */
  resetWhenDestroyed(): void {
    // What Node.js's `resetAndDestroy` sets too, but that first sends what is left.
    if (this.#isTcp) (this.stream as Socket & { resetAndClosing: boolean }).resetAndClosing = true;
  }
}
