import type { Socket } from 'node:net';
import type { SocketOptions } from './connection.js';

/** Sets those options of the kernel's that are given. */
export function applySocketOptions(socket: Socket, options: SocketOptions): void {
  const { noDelay, keepAlive, keepAliveInitialDelay, highWaterMark } = options;
  if (highWaterMark !== undefined && !(Number.isSafeInteger(highWaterMark) && highWaterMark >= 1)) {
    throw new RangeError(`highWaterMark takes a whole number of bytes of 1 or more, not ${highWaterMark}`);
  }
  // The socket may have inherited what it is not known to have: only what has been turned on is turned off.
  if (noDelay === false) socket.setNoDelay(true);
  if (noDelay !== undefined) socket.setNoDelay(noDelay);
  if (keepAlive === false) socket.setKeepAlive(true);
  if (keepAlive !== undefined || keepAliveInitialDelay !== undefined) {
    socket.setKeepAlive(keepAlive ?? true, keepAliveInitialDelay);
  }
}
