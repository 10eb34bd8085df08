import type { Socket } from 'node:net';
import type { SocketOptions } from './connection.js';

/** Sets those options of the kernel's that are given. */
export function applySocketOptions(socket: Socket, { noDelay, keepAlive, keepAliveInitialDelay }: SocketOptions): void {
  if (noDelay !== undefined) socket.setNoDelay(noDelay);
  if (keepAlive !== undefined || keepAliveInitialDelay !== undefined) {
    socket.setKeepAlive(keepAlive ?? true, keepAliveInitialDelay);
  }
}
