import type { Socket } from 'node:net';
import type { ByteSink } from '../codec/codec.js';

/** A piece from this size on is handed to the socket as it is; smaller ones are copied together. */
const LARGE_PIECE = 16_384;

/** Bytes given to the socket at a time. A client that takes less than this within `timeouts.send` counts as taking nothing. */
const SLICE = 131_072;

const NOTHING = Buffer.alloc(0);

type Piece = Uint8Array | string;

/** Who is told how the sending goes. */
export interface OutboundOwner {
  /** The kernel took less than it was given: bytes wait. */
  outboundStalled(): void;
  /** Waiting bytes have moved. */
  outboundMoved(): void;
  /** Everything and our FIN were given to the kernel. */
  outboundEnded(): void;
}

/**
 * What a connection sends: pieces are collected while a chunk of input is dispatched, or until the end of the tick, and leave in
 * one write.
 *
 * Bytes that the kernel does not take at once are given to it a slice at a time, so that it shows whether the client takes any.
 */
export class Outbound implements ByteSink {
  readonly #socket: Socket;
  readonly #owner: OutboundOwner;
  #pieces: Piece[] = [];
  /** Bytes in `#pieces`. */
  #queued = 0;
  /** The socket has a slice that the kernel has not taken whole. */
  #stalled = false;
  #ending = false;
  #ended = false;
  #scheduled = false;

  /** While `true`, someone is going to call `flush()`. */
  held = false;

  constructor(socket: Socket, owner: OutboundOwner) {
    this.#socket = socket;
    this.#owner = owner;
  }

  /** Bytes that the kernel has not taken yet. */
  get waiting(): number {
    return this.#stalled ? this.#queued + this.#socket.writableLength : this.#queued;
  }

  /** Whether `end()` or `drop()` was called: nothing can be sent any more. */
  get ended(): boolean {
    return this.#ending;
  }

  /** Whether our FIN was given to the socket, behind all that was sent. */
  get finished(): boolean {
    return this.#ended;
  }

  get stalled(): boolean {
    return this.#stalled;
  }

  /** Hot path. */
  write(piece: Piece): void {
    this.#queued += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
    this.#pieces.push(piece);
    if (this.held || this.#scheduled || this.#stalled) return;
    this.#scheduled = true;
    process.nextTick(flushScheduled, this);
  }

  /** Hot path: gives the socket all that is queued, as far as it takes it. */
  flush(): void {
    while (this.#queued > 0 && !this.#stalled) {
      if (this.#queued <= SLICE) this.#writeAll();
      else this.#writeSlice();
      if (this.#socket.writableLength > 0) this.#stall();
    }
    if (this.#ending && !this.#ended && this.#queued === 0 && !this.#stalled) {
      this.#ended = true;
      this.#socket.end();
      this.#owner.outboundEnded();
    }
  }

  flushScheduled(): void {
    this.#scheduled = false;
    this.flush();
  }

  /** Sends what is queued, and then our FIN. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.flush();
  }

  /** The socket is gone: forgets what is queued. */
  drop(): void {
    this.#ending = true;
    this.#ended = true;
    this.#stalled = false;
    this.#queued = 0;
    this.#pieces = [];
  }

  #writeAll(): void {
    const pieces = this.#pieces;
    const first = pieces[0];
    if (pieces.length === 1 && first !== undefined) {
      pieces.length = 0;
      this.#queued = 0;
      this.#socket.write(first);
      return;
    }
    this.#pieces = [];
    const bytes = this.#queued;
    this.#queued = 0;
    writeTogether(this.#socket, pieces, bytes);
  }

  /** Cuts the front of the queue off at a slice. */
  #writeSlice(): void {
    const slice: Piece[] = [];
    let room = SLICE;
    let taken = 0;
    for (const piece of this.#pieces) {
      const data = typeof piece === 'string' && piece.length * 3 > room ? Buffer.from(piece) : piece;
      const size = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
      if (size > room && typeof data !== 'string') {
        slice.push(data.subarray(0, room));
        this.#pieces[taken] = data.subarray(room);
        room = 0;
        break;
      }
      slice.push(data);
      room -= size;
      taken++;
      if (room === 0) break;
    }
    this.#pieces = this.#pieces.slice(taken);
    this.#queued -= SLICE - room;
    writeTogether(this.#socket, slice, SLICE - room);
  }

  #stall(): void {
    this.#stalled = true;
    // Behind the slice, so that its callback tells when the kernel has taken all of it.
    this.#socket.write(NOTHING, () => this.#resume());
    this.#owner.outboundStalled();
  }

  #resume(): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    this.flush();
    this.#owner.outboundMoved();
  }
}

function flushScheduled(outbound: Outbound): void {
  outbound.flushScheduled();
}

/** One write: text is joined, small pieces are copied into one buffer, large ones go as they are. */
function writeTogether(socket: Socket, pieces: readonly Piece[], bytes: number): void {
  if (pieces.every((piece) => typeof piece === 'string')) {
    socket.write(pieces.join(''));
    return;
  }
  if (bytes <= LARGE_PIECE) {
    socket.write(join(pieces, bytes));
    return;
  }
  socket.cork();
  let small: Piece[] = [];
  let smallBytes = 0;
  for (const piece of pieces) {
    const size = typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
    if (size < LARGE_PIECE) {
      small.push(piece);
      smallBytes += size;
      continue;
    }
    if (smallBytes > 0) socket.write(join(small, smallBytes));
    small = [];
    smallBytes = 0;
    socket.write(piece);
  }
  if (smallBytes > 0) socket.write(join(small, smallBytes));
  socket.uncork();
}

function join(pieces: readonly Piece[], bytes: number): Buffer {
  const joined = Buffer.allocUnsafe(bytes);
  let offset = 0;
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      offset += joined.write(piece, offset);
    } else {
      joined.set(piece, offset);
      offset += piece.length;
    }
  }
  return joined;
}
