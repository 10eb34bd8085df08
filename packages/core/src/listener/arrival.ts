import type { Socket } from 'node:net';
import type { Environment } from '../connection/environment.js';
import type { SocketHolder } from '../transport/held-socket.js';

/**
 * - `waiting`: in the queue for room among the connections.
 * - `admitted`: counts as a connection; waits for an acceptor.
 * - `accepting`: an acceptor has it; `@OnAccept` is deciding.
 * - `done`: became a connection, or was turned away.
 */
export type ArrivalState = 'waiting' | 'admitted' | 'accepting' | 'done';

/** A client between the kernel and its `@OnConnection`. Nothing is read from it. */
export class Arrival implements SocketHolder {
  state: ArrivalState = 'waiting';
  /** When its present step began, as `performance.now()`. */
  since = 0;
  /** Whether it counts against `maxConnections`. */
  counted = false;
  env: Environment | undefined;
  /** As `@OnAccept` has set it, in bytes. */
  highWaterMark: number | undefined;

  constructor(
    readonly socket: Socket,
    /** The client's address, by which it is counted; empty where there is none. */
    readonly ip: string,
    private readonly closed: (arrival: Arrival) => void,
  ) {}

  socketReceived(): boolean {
    return false;
  }

  socketEnded(): void {}

  // The socket closes next, and that is what counts.
  socketFailed(): void {}

  socketClosed(): void {
    this.closed(this);
  }
}
