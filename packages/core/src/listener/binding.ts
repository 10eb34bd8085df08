import type { Server } from 'node:net';
import type { Descriptor } from '../descriptor/descriptor.js';
import { ListenError } from '../errors.js';
import { type BindTarget, bequeathOptions, describeTarget } from '../transport/bind.js';
import type { Binder } from '../transport/binder.js';
import { boundEndpoint, type Endpoint } from '../transport/endpoint.js';
import { Turns } from '../turns.js';

/**
 * A server's hold on its address: bound and released any number of times.
 *
 * Each operation waits for the one before it, so that they end as the last one asked for, in whatever order they come.
 */
export class Binding {
  readonly #server: Server;
  readonly #descriptor: Descriptor;
  #endpoint: Endpoint = { address: '', port: 0, family: 'unix' };
  readonly #turns = new Turns();
  readonly #binder: Binder | undefined;

  /** @param binder who binds it; `undefined` where nothing is bound, and connections come from elsewhere */
  constructor(server: Server, descriptor: Descriptor, binder: Binder | undefined) {
    this.#server = server;
    this.#descriptor = descriptor;
    this.#binder = binder;
  }

  /** Where the server is bound, or was last. */
  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  /** Where the server is bound, for people. */
  get description(): string {
    if (this.#binder === undefined) return 'none';
    return describeTarget(this.#target());
  }

  /** Runs an operation when the one before has ended, however it ended. */
  inTurn<T>(operation: () => Promise<T>): Promise<T> {
    return this.#turns.take(operation);
  }

  /** Binds, on the port picked the first time where any would do. Throws a ListenError. */
  async bind(): Promise<void> {
    if (this.#binder === undefined) return;
    const target = this.#target();
    try {
      await this.#binder.bind(this.#server, target, this.#descriptor.name);
    } catch (error) {
      throw new ListenError(this.#descriptor.name, describeTarget(target), error as Error);
    }
    // Bound later, when the application as a whole resumes: it goes on being where it was.
    if (!this.#server.listening) return;
    bequeathOptions(this.#server, this.#descriptor.options);
    this.#endpoint = boundEndpoint(this.#server.address(), target.path);
  }

  release(): void {
    this.#binder?.unbind(this.#server);
  }

  #target(): BindTarget {
    return bindTarget(this.#descriptor, this.#endpoint.port);
  }
}

/**
 * Where a descriptor says to listen.
 *
 * @param picked the port that was picked before, for one that asks for any
 */
export function bindTarget({ port, path, fd, host, mode, backlog, options }: Descriptor, picked = 0): BindTarget {
  const { ipv6Only, reusePort } = options;
  return { port: port === 0 ? picked : port, path, fd, host, mode, backlog, ipv6Only, reusePort };
}
