import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Whoever is responsible for a socket at the moment: what waits for admission, and later its connection. */
export interface SocketHolder {
  /** Bytes have come. Returns whether to go on reading; if not, `readOn` starts it again. */
  socketReceived(chunk: Buffer): boolean;
  /** The client has ended its side: nothing more will come. `endReading` is to follow. */
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
  if (!doubtsEnd(this)) holder.socketEnded();
  return false;
}

/** Sockets of which an end was doubted: it is, once. */
const doubtedEnds = new WeakSet<Socket>();

/**
 * libuv tells of a reset as of an end where it comes so close behind bytes that both are found at once: an upload that was broken off
 * would pass for a whole one. Where nobody is connected any more, the system is asked again: it knows whether a FIN came before the
 * reset, and tells the end once more then, or else the reset.
 */
function doubtsEnd(socket: Socket): boolean {
  // Of an encrypted one, TLS tells whether its client has said that it ends.
  if ((socket as TLSSocket).encrypted === true) return false;
  const { _handle } = socket as SystemSocket;
  if (hasPeer(_handle) || doubtedEnds.has(socket)) return false;
  doubtedEnds.add(socket);
  return _handle?.readStart?.() === 0;
}

function hasPeer(handle: SystemSocket['_handle']): boolean {
  // Who is still connected, half-closed included, has a peer. A Unix socket has no reset.
  return typeof handle?.getpeername !== 'function' || handle.getpeername({}) === 0;
}

function onError(this: Socket, error: Error): void {
  (this as HeldSocket)[holderKey].socketFailed(error);
  // After an error of TLS, Node.js leaves the socket open, which nothing can be understood from any more.
  if (!this.destroyed) this.destroy();
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

/** Whether its holder is told what happens to a socket. */
export function isHeld(socket: Socket): boolean {
  return socket.push === push;
}

export function holderOf(socket: Socket): SocketHolder {
  return (socket as HeldSocket)[holderKey];
}

/** Has a held socket's bytes go to its stream again, for what is put on top of it. Its errors and its close are still its holder's. */
export function returnInput(socket: Socket): void {
  // Not deleted: that would turn the socket into a slow object.
  if (isHeld(socket)) socket.push = Socket.prototype.push;
}

/** Reads from a held socket until its holder has enough. */
export function readOn(socket: Socket): void {
  socket._read(0);
}

/**
 * What came before the client's end has been taken. The stream is told only now, since it closes itself once both sides have ended, and
 * what nobody has taken by then is lost.
 */
export function endReading(socket: Socket): void {
  if (socket.destroyed) return;
  Socket.prototype.push.call(socket, null);
  socket.read(0);
}

/** Taken once, so that fake timers of a test do not stop the sockets. */
export const nextTurn = setImmediate;

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

/**
 * Closes an encrypted socket whose client has reset the connection, where Node.js before 26 has not noticed: if the reset comes right
 * behind the handshake, it looks like an end, and what is written waits for ever. To be asked where the client has ended and bytes wait.
 */
export function destroyIfReset(socket: Socket): void {
  if ((socket as TLSSocket).encrypted !== true) return;
  const carrier = carrierOf(socket as TLSSocket) as SystemSocket | undefined;
  if (hasPeer(carrier?._handle)) return;
  socket.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' }));
}

/** What a socket of the system's works with. Its functions give 0, or the system's error. */
interface SystemSocket {
  readonly _handle?: { getpeername?(name: object): number; readStart?(): number } | null;
}

/** What `net.Socket.resetAndDestroy` works with. */
interface ResettableSocket {
  readonly _handle?: { readonly reset?: unknown } | null;
  resetAndClosing?: boolean;
}

/** What an encrypted socket knows of the one under it: `_parent` if that is a socket of the system's, and else where it is. */
interface EncryptedSocket {
  readonly _parent?: Socket;
  readonly _handle?: { readonly _parentWrap?: { readonly stream?: Socket } } | null;
}

/** The socket under an encrypted one; `undefined` if it has closed and cannot be told any more. */
export function carrierOf(socket: TLSSocket): Socket | undefined {
  const { _parent, _handle } = socket as EncryptedSocket;
  return _parent ?? _handle?._parentWrap?.stream;
}

/**
 * Closes at once, whatever waits to be sent: with a RST, unless our FIN is out already, or it is a Unix socket, which has none.
 *
 * `resetAndDestroy()` would first wait for the client to take what was written, and one that never reads never does.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  const isEncrypted = (socket as TLSSocket).encrypted === true;
  const resettable = ((isEncrypted && carrierOf(socket as TLSSocket)) || socket) as ResettableSocket;
  if (!socket.writableEnded && typeof resettable._handle?.reset === 'function') resettable.resetAndClosing = true;
  socket.destroy();
}
