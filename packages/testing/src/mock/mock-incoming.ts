import { type Endpoint, type Environment, Incoming, type ProxyHeader, type SocketOptions } from '@reagent/core';

export interface MockIncomingOptions {
  /** Default: port 50000 of 127.0.0.1. */
  readonly remote?: Endpoint;
  /** Default: port 8080 of 127.0.0.1. */
  readonly local?: Endpoint;
  readonly proxy?: ProxyHeader;
}

/** Made by `mockIncoming`. */
export class MockIncoming extends Incoming {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  readonly proxy: ProxyHeader | undefined;
  readonly env = Object.create(null) as Environment;
  #rejected = false;
  #options: SocketOptions = {};

  constructor({ remote, local, proxy }: MockIncomingOptions = {}) {
    super();
    this.remote = remote ?? { address: '127.0.0.1', port: 50_000, family: 'IPv4' };
    this.local = local ?? { address: '127.0.0.1', port: 8080, family: 'IPv4' };
    this.proxy = proxy;
  }

  get rejected(): boolean {
    return this.#rejected;
  }

  /** All that `setOptions` was called with, the last of each option. */
  get options(): SocketOptions {
    return this.#options;
  }

  reject(): void {
    this.#rejected = true;
  }

  setOptions(options: SocketOptions): void {
    this.#options = { ...this.#options, ...options };
  }
}

/**
 * What an `@OnAccept` method is called with, without a socket.
 *
 * @example
 * ```ts
 * import type { Incoming } from '@reagent/core';
 * import { mockIncoming } from '@reagent/testing';
 *
 * class Guarded {
 *   admit(incoming: Incoming) {
 *     if (incoming.remote.address === '192.0.2.1') incoming.reject();
 *   }
 * }
 *
 * const incoming = mockIncoming({ remote: { address: '192.0.2.1', port: 50_000, family: 'IPv4' } });
 * new Guarded().admit(incoming);
 * console.log(incoming.rejected); // true
 * ```
 */
export function mockIncoming(options?: MockIncomingOptions): MockIncoming {
  return new MockIncoming(options);
}
