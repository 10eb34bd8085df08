import type { Socket } from 'node:net';
import type { SocketOptions } from '../connection/connection.js';
import { childEnvironment, type Environment } from '../connection/environment.js';
import { applySocketOptions } from '../connection/socket-options.js';
import { type Endpoint, localOf, remoteOf } from '../transport/endpoint.js';
import type { ProxyHeader } from '../transport/proxy-protocol/proxy-header.js';
import { Incoming } from './incoming.js';

/** What `@OnAccept` is shown of a socket. */
export class SocketIncoming extends Incoming {
  readonly #socket: Socket;
  readonly #parent: Environment;
  #environment: Environment | undefined;
  #rejected = false;
  /** What the connection is to be given once there is one. */
  options: SocketOptions = {};

  constructor(
    socket: Socket,
    parent: Environment,
    readonly proxy: ProxyHeader | undefined,
  ) {
    super();
    this.#socket = socket;
    this.#parent = parent;
  }

  get remote(): Endpoint {
    return this.proxy?.source ?? remoteOf(this.#socket);
  }

  get local(): Endpoint {
    return this.proxy?.destination ?? localOf(this.#socket);
  }

  get env(): Environment {
    this.#environment ??= childEnvironment(this.#parent);
    return this.#environment;
  }

  /** The environment, if anyone has asked for it. */
  get environment(): Environment | undefined {
    return this.#environment;
  }

  get rejected(): boolean {
    return this.#rejected;
  }

  reject(): void {
    this.#rejected = true;
  }

  setOptions(options: SocketOptions): void {
    this.options = { ...this.options, ...options };
    applySocketOptions(this.#socket, options);
  }
}
