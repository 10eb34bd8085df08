import type { Socket } from 'node:net';

/** Whoever is responsible for a socket at the moment: what waits for admission, and later its connection. */
export interface SocketHolder {
  socketReceived(chunk: Buffer): void;
  socketEnded(): void;
  socketFailed(error: Error): void;
  socketClosed(): void;
}

const holderKey = Symbol('reagent:holder');

interface HeldSocket extends Socket {
  [holderKey]: SocketHolder;
}

// One function an event for all sockets: a closure for each socket and event would be most of what an idle connection costs.
function onData(this: Socket, chunk: Buffer): void {
  (this as HeldSocket)[holderKey].socketReceived(chunk);
}

function onEnd(this: Socket): void {
  (this as HeldSocket)[holderKey].socketEnded();
}

function onError(this: Socket, error: Error): void {
  (this as HeldSocket)[holderKey].socketFailed(error);
}

function onClose(this: Socket): void {
  (this as HeldSocket)[holderKey].socketClosed();
}

/** Takes responsibility for a new socket: from now on its errors and its end are told to `holder`. */
export function hold(socket: Socket, holder: SocketHolder): void {
  (socket as HeldSocket)[holderKey] = holder;
  socket.on('error', onError);
  socket.on('close', onClose);
}

/** Passes a held socket on to the one who will read from it. It stays paused. */
export function passOn(socket: Socket, holder: SocketHolder): void {
  (socket as HeldSocket)[holderKey] = holder;
  socket.on('data', onData);
  socket.on('end', onEnd);
  // Listening for data makes a socket flow, unless it was paused explicitly.
  socket.pause();
}

/** Closes at once: with a RST where there is one, which a Unix socket has not. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.remoteFamily !== undefined) socket.resetAndDestroy();
  else socket.destroy();
}
