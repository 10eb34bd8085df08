import type { SocketOptions } from '../connection/connection.js';
import type { Environment } from '../connection/environment.js';
import type { Endpoint } from '../transport/endpoint.js';

/** A connection that `@OnAccept` is asked about. Nothing has been read from it yet. */
export abstract class Incoming {
  abstract readonly remote: Endpoint;
  abstract readonly local: Endpoint;
  /** Becomes the connection's environment. */
  abstract readonly env: Environment;
  /** Whether `reject()` was called. */
  abstract readonly rejected: boolean;

  /** Refuses the client: its connection is reset, and counted as rejected by `accept`. */
  abstract reject(): void;

  abstract setOptions(options: SocketOptions): void;
}
