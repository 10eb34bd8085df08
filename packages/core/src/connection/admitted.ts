import type { ProxyHeader } from '../transport/proxy-protocol/proxy-header.js';

/** What a listener counts a client by, from its admission to its end. */
export interface Admitted {
  /** The client's address; empty where there is none. */
  readonly ip: string;
  /** Whether it counts against `maxConnections`. */
  counted: boolean;
  /** What a balancer has told of the client, where the listener has `proxyProtocol`. */
  readonly proxy: ProxyHeader | undefined;
}
