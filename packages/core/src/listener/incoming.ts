import type { SocketOptions } from '../connection/connection.js';
import type { Environment } from '../connection/environment.js';
import type { Endpoint } from '../transport/endpoint.js';
import type { ProxyHeader } from '../transport/proxy-protocol/proxy-header.js';

/** A connection that `@OnAccept` is asked about. Nothing has been read from it yet, but the PROXY header where there is one. */
export abstract class Incoming {
  /** The client's end: behind a balancer, as its PROXY header tells it. */
  abstract readonly remote: Endpoint;
  abstract readonly local: Endpoint;
  /** The PROXY header, where the listener has `proxyProtocol`. */
  abstract readonly proxy: ProxyHeader | undefined;
  /** Becomes the connection's environment. */
  abstract readonly env: Environment;
  /** Whether `reject()` was called. */
  abstract readonly rejected: boolean;

  /** Refuses the client: its connection is reset, and counted as rejected by `accept`. */
  abstract reject(): void;

  abstract setOptions(options: SocketOptions): void;
}
