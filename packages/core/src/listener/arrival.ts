import type { Socket } from 'node:net';
import type { Admitted } from '../connection/admitted.js';
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
export class Arrival implements Admitted, SocketHolder {
  state: ArrivalState = 'waiting';
  /** When its present step began, as `performance.now()`. */
  since = 0;
  counted = false;
  env: Environment | undefined;
  /** As `@OnAccept` has set it, in bytes. */
  highWaterMark: number | undefined;

  constructor(
    readonly socket: Socket,
    readonly ip: string,
    private readonly closed: (arrival: Arrival) => void,
  ) {}

  socketReceived(): boolean {
    return false;
  }

  // While nothing is read, no end comes either.
  socketEnded(): void {}

  // The socket closes next, and that is what counts.
  socketFailed(): void {}

  socketClosed(): void {
    this.closed(this);
  }
}
