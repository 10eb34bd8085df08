import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Whoever is responsible for a socket at the moment: what waits for admission, and later its connection. */
export interface SocketHolder {
  /** Bytes have come. Returns whether to go on reading; if not, `readOn` starts it again. */
  socketReceived(chunk: Buffer): boolean;
  socketEnded(): void;
  socketFailed(error: Error): void;
  socketClosed(): void;
}

const holderKey = Symbol('reagent:holder');

interface HeldSocket extends Socket {
  [holderKey]: SocketHolder;
}

// One function an event for all sockets: a closure for each socket and event would be most of what an idle connection costs.

/**
 * Hot path. Stands in for `Readable.push`, which a socket calls with each chunk it has read, and with `null` at the end: so the chunk
 * goes to its holder at once, and not through the stream's buffer, its state and an event. The contract is the stream's: `false` stops
 * the reading.
 */
function push(this: Socket, chunk: Buffer | null): boolean {
  const holder = (this as HeldSocket)[holderKey];
  if (chunk !== null) return holder.socketReceived(chunk);
  // For the stream, which closes itself once both sides have ended.
  Socket.prototype.push.call(this, null);
  holder.socketEnded();
  return false;
}

function onError(this: Socket, error: Error): void {
  (this as HeldSocket)[holderKey].socketFailed(error);
}

function onClose(this: Socket): void {
  (this as HeldSocket)[holderKey].socketClosed();
}

/** Takes responsibility for a new, paused socket: from now on its errors and its end are told to `holder`. */
export function hold(socket: Socket, holder: SocketHolder): void {
  (socket as HeldSocket)[holderKey] = holder;
  socket.push = push;
  socket.on('error', onError);
  socket.on('close', onClose);
}

/** Holds sockets that carry an encrypted one, which tells all there is to tell. */
export const nobody: SocketHolder = {
  socketReceived: () => false,
  socketEnded: () => {},
  socketFailed: () => {},
  socketClosed: () => {},
};

/** Passes a held socket on. */
export function passOn(socket: Socket, holder: SocketHolder): void {
  (socket as HeldSocket)[holderKey] = holder;
}

/** Reads from a held socket until its holder has enough. */
export function readOn(socket: Socket): void {
  socket._read(0);
}

/** Taken once, so that fake timers of a test do not stop the sockets. */
const nextTurn = setImmediate;

/** Sends our FIN. Nothing may be on its way to the kernel. */
export function endSocket(socket: Socket): void {
  if ((socket as TLSSocket).encrypted !== true) {
    socket.end();
    return;
  }
  // In the turn in which the handshake ends, Node.js before 26 would leave the closing alert of TLS out, and the client take the end for
  // a truncation.
  nextTurn(() => {
    if (!socket.destroyed) socket.end();
  });
}

/** What `net.Socket.resetAndDestroy` works with; `_parent` is the socket under an encrypted one. */
interface ResettableSocket {
  readonly _handle?: { readonly reset?: unknown } | null;
  readonly _parent?: ResettableSocket;
  resetAndClosing?: boolean;
}

/**
 * Closes at once, whatever waits to be sent: with a RST, unless our FIN is out already, or it is a Unix socket, which has none.
 *
 * `resetAndDestroy()` would first wait for the client to take what was written, and one that never reads never does.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  const resettable = (socket as ResettableSocket)._parent ?? (socket as ResettableSocket);
  if (!socket.writableEnded && typeof resettable._handle?.reset === 'function') resettable.resetAndClosing = true;
  socket.destroy();
}
