import type { ProxyHeader } from '../transport/proxy-protocol/proxy-header.js';

/** What a listener counts a client by, from its admission to its end. */
export interface Admitted {
  /** The client's address, by which it is counted; empty where there is none, or nobody has asked for it. */
  ip: string;
  /** Whether it counts against `maxConnections`. */
  counted: boolean;
  /** What a balancer has told of the client, where the listener has `proxyProtocol`. */
  readonly proxy: ProxyHeader | undefined;
}
