import { Duplex } from 'node:stream';

/** Bytes that may be on their way in one direction, as in the buffers of a kernel. */
export const MEMORY_CAPACITY = 65_536;

/** Taken when this is loaded, so that the fake timers of a test do not stop it. */
const nextTurn = setImmediate;

/** One end's address. */
export interface MemoryAddress {
  readonly address: string;
  readonly port: number;
}

/** An error as the system would give it. */
function systemError(code: string, syscall: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${syscall} ${code}`), { code, syscall });
}

/**
 * One end of a connection that exists in memory only, and behaves as a TCP socket does: bytes arrive in a later turn of the event loop,
 * in chunks that have nothing to do with the writes; each side ends by itself; a peer that reads nothing lets a bounded number of bytes
 * wait; a reset drops what was not read; whoever writes to a closed peer is reset.
 *
 * It has what reagent needs of a socket of `node:net`.
 */
export class MemorySocket extends Duplex {
  readonly remoteFamily = 'IPv4';
  readonly localFamily = 'IPv4';
  bytesRead = 0;
  bytesWritten = 0;
  /** Set by whoever wants `destroy()` to reset the connection, as on a socket of the system's. */
  resetAndClosing = false;
  /** What tells that it can be reset. */
  readonly _handle = { reset: (): void => {}, fd: -1 };
  readonly #local: MemoryAddress;
  readonly #remote: MemoryAddress;
  /** `undefined` once it has closed, so that neither end keeps the other, and what it belongs to, in memory. */
  #peer: MemorySocket | undefined;
  /** The peer has closed: whoever writes to it is reset. */
  #peerClosed = false;
  /** Sent by the peer and not read yet. */
  #inbox: Buffer[] = [];
  #waiting = 0;
  /** The peer has ended its side, behind what is in the inbox. */
  #peerEnded = false;
  #endTold = false;
  #reading = false;
  #scheduled = false;
  /** What there was no room for, and who is to be told when there is. */
  #held: { rest: Buffer; taken: (error?: Error | null) => void } | undefined;

  private constructor(local: MemoryAddress, remote: MemoryAddress) {
    super({ allowHalfOpen: true, readableHighWaterMark: MEMORY_CAPACITY, writableHighWaterMark: MEMORY_CAPACITY });
    this.#local = local;
    this.#remote = remote;
  }

  /** Two ends of one connection. */
  static pair(server: MemoryAddress, client: MemoryAddress): { server: MemorySocket; client: MemorySocket } {
    const ends = { server: new MemorySocket(server, client), client: new MemorySocket(client, server) };
    ends.server.#peer = ends.client;
    ends.client.#peer = ends.server;
    return ends;
  }

  get localAddress(): string {
    return this.#local.address;
  }

  get localPort(): number {
    return this.#local.port;
  }

  get remoteAddress(): string {
    return this.#remote.address;
  }

  get remotePort(): number {
    return this.#remote.port;
  }

  // Options of a kernel that is not there.

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  /** Closes with a reset: what was not sent or not read yet is lost. */
  resetAndDestroy(): this {
    this.resetAndClosing = true;
    return this.destroy();
  }

  // Sending.

  override _write(chunk: Buffer | string, encoding: BufferEncoding, taken: (error?: Error | null) => void): void {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
    if (this.#peerClosed) {
      // As a kernel that has not heard of it yet: it takes the bytes, and the answer to them is a reset.
      this.bytesWritten += bytes.length;
      taken();
      nextTurn(() => this.#resetByPeer());
      return;
    }
    const peer = this.#peer;
    if (peer === undefined) {
      taken(systemError('EPIPE', 'write'));
      return;
    }
    const sent = peer.#take(bytes);
    this.bytesWritten += sent;
    if (sent === bytes.length) taken();
    else this.#held = { rest: bytes.subarray(sent), taken };
  }

  override _writev(
    chunks: readonly { chunk: Buffer | string; encoding: BufferEncoding }[],
    taken: (error?: Error | null) => void,
  ): void {
    const pieces = chunks.map(({ chunk, encoding }) =>
      typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk,
    );
    this._write(Buffer.concat(pieces), 'utf8', taken);
  }

  override _final(done: (error?: Error | null) => void): void {
    const peer = this.#peer;
    if (peer !== undefined) {
      peer.#peerEnded = true;
      peer.#schedule();
    }
    done();
  }

  /** The peer has read: there is room again. */
  #peerHasRoom(): void {
    const held = this.#held;
    const peer = this.#peer;
    if (held === undefined || peer === undefined) return;
    const sent = peer.#take(held.rest);
    this.bytesWritten += sent;
    if (sent < held.rest.length) {
      held.rest = held.rest.subarray(sent);
      return;
    }
    this.#held = undefined;
    held.taken();
  }

  // Receiving.

  override _read(): void {
    this.#reading = true;
    this.#schedule();
  }

  /** Takes as many of the bytes as there is room for; returns how many. A copy: the sender may fill its buffer again. */
  #take(bytes: Buffer): number {
    const room = Math.min(bytes.length, MEMORY_CAPACITY - this.#waiting);
    if (room > 0) {
      this.#inbox.push(Buffer.from(bytes.subarray(0, room)));
      this.#waiting += room;
      this.#schedule();
    }
    return room;
  }

  #schedule(): void {
    if (this.#scheduled || !this.#reading) return;
    this.#scheduled = true;
    nextTurn(() => {
      this.#scheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    if (this.destroyed || !this.#reading) return;
    if (this.#waiting > 0) {
      const chunk = this.#inbox.length === 1 ? (this.#inbox[0] as Buffer) : Buffer.concat(this.#inbox);
      this.#inbox = [];
      this.#waiting = 0;
      this.bytesRead += chunk.length;
      // Whoever stops the reading inside of this starts it again by `_read`.
      this.#reading = false;
      const goesOn = this.push(chunk);
      if (goesOn) this.#reading = true;
      if (this.#peer !== undefined) this.#peer.#peerHasRoom();
      this.#schedule();
    } else if (this.#peerEnded && !this.#endTold) {
      this.#endTold = true;
      this.push(null);
      // For a reader that has taken all: the end is told with the next read.
      this.read(0);
    }
  }

  // Closing.

  #resetByPeer(): void {
    if (this.destroyed) return;
    this.#inbox = [];
    this.#waiting = 0;
    const held = this.#held;
    this.#held = undefined;
    const error = systemError('ECONNRESET', 'read');
    held?.taken(error);
    this.#peer = undefined;
    this.#peerClosed = false;
    this.destroy(error);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const peer = this.#peer;
    this.#held = undefined;
    if (peer !== undefined && !peer.destroyed) {
      peer.#peer = undefined;
      peer.#peerClosed = true;
      // A kernel resets a connection that is closed over bytes that nobody has read. And what the peer has been trying to send has
      // nobody to go to.
      if (this.resetAndClosing || this.#waiting > 0 || peer.#held !== undefined) nextTurn(() => peer.#resetByPeer());
      if (!this.resetAndClosing && this.#waiting === 0) {
        peer.#peerEnded = true;
        peer.#schedule();
      }
    }
    this.#peer = undefined;
    this.#inbox = [];
    this.#waiting = 0;
    done(error);
  }
}
