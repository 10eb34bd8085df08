import type { Socket } from 'node:net';
import type { ByteSink } from '../codec/codec.js';

/** A piece from this size on is handed to the socket as it is; smaller ones are copied together. */
const LARGE_PIECE = 16_384;

/** Bytes given to the socket at a time. A client that takes less than this within `timeouts.send` counts as taking nothing. */
const SLICE = 131_072;

type Piece = Uint8Array | string;

/** Who is told how the sending goes. */
export interface OutboundOwner {
  /** The kernel took less than it was given: bytes wait. */
  outboundStalled(): void;
  /** Waiting bytes have moved. */
  outboundMoved(): void;
  /** Everything and our FIN were given to the socket. */
  outboundEnded(): void;
}

/**
 * What a connection sends: pieces are collected while a chunk of input is dispatched, or until the end of the tick, and leave in
 * one write.
 *
 * The socket is given a slice at a time and the next when the kernel has taken it, so that it shows whether the client takes any.
 * Since nothing else writes, the stream's own queue would only be a second one: its `_write` is called past it.
 */
export class Outbound implements ByteSink {
  readonly #socket: Socket;
  readonly #owner: OutboundOwner;
  /** The first piece in the queue. Mostly it is the only one, and needs no array. */
  #first: Piece | undefined;
  #more: Piece[] = NONE;
  /** Bytes in the queue. */
  #queued = 0;
  /** Bytes given to the socket that the kernel has not taken whole. */
  #inFlight = 0;
  /** `_write` has not returned yet. */
  #giving = false;
  #scheduled = false;
  #ending = false;
  #finished = false;

  /** While `true`, someone is going to call `flush()`. */
  held = false;

  constructor(socket: Socket, owner: OutboundOwner) {
    this.#socket = socket;
    this.#owner = owner;
  }

  /** Bytes that the kernel has not taken yet. */
  get waiting(): number {
    return this.#queued + this.#inFlight;
  }

  /** Whether `end()` or `drop()` was called: nothing can be sent any more. */
  get ended(): boolean {
    return this.#ending;
  }

  /** Whether our FIN was given to the socket, behind all that was sent. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Whether the kernel takes no more at the moment. */
  get stalled(): boolean {
    return this.#inFlight > 0;
  }

  /** Hot path. */
  write(piece: Piece): void {
    const size = sizeOf(piece);
    if (size === 0) return;
    this.#queued += size;
    if (this.#first === undefined) this.#first = piece;
    else if (this.#more === NONE) this.#more = [piece];
    else this.#more.push(piece);
    if (this.held || this.#scheduled || this.#inFlight > 0) return;
    this.#scheduled = true;
    process.nextTick(flushScheduled, this);
  }

  /** Hot path: gives the socket all that is queued, as far as the kernel takes it. */
  flush(): void {
    while (this.#queued > 0 && this.#inFlight === 0) {
      this.#giving = true;
      this.#writeSome();
      this.#giving = false;
      if (this.#inFlight > 0) this.#owner.outboundStalled();
    }
    if (this.#ending && !this.#finished && this.#queued === 0 && this.#inFlight === 0) {
      this.#finished = true;
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

  /** The socket is gone, or is to be reset: forgets what is queued. */
  drop(): void {
    this.#ending = true;
    this.#queued = 0;
    this.#inFlight = 0;
    this.#first = undefined;
    this.#more = NONE;
  }

  #writeSome(): void {
    if (this.#queued > SLICE) {
      this.#writeSlice();
      return;
    }
    const first = this.#first as Piece;
    const more = this.#more;
    const bytes = this.#queued;
    this.#first = undefined;
    this.#queued = 0;
    this.#inFlight = bytes;
    if (more === NONE) {
      this.#give(first);
      return;
    }
    this.#more = NONE;
    more.unshift(first);
    this.#giveTogether(more, bytes);
  }

  /** Cuts a slice off the front of the queue. */
  #writeSlice(): void {
    const queue = [this.#first as Piece, ...this.#more];
    const slice: Piece[] = [];
    let room = SLICE;
    let taken = 0;
    while (room > 0) {
      const piece = queue[taken] as Piece;
      const size = sizeOf(piece);
      if (size > room) {
        const data = typeof piece === 'string' ? Buffer.from(piece) : piece;
        slice.push(data.subarray(0, room));
        queue[taken] = data.subarray(room);
        room = 0;
      } else {
        slice.push(piece);
        room -= size;
        taken++;
      }
    }
    this.#first = queue[taken];
    this.#more = queue.length > taken + 1 ? queue.slice(taken + 1) : NONE;
    this.#queued -= SLICE;
    this.#inFlight = SLICE;
    this.#giveTogether(slice, SLICE);
  }

  /** One write: text is joined, small pieces are copied into one buffer, large ones go as they are. */
  #giveTogether(pieces: readonly Piece[], bytes: number): void {
    if (pieces.every((piece) => typeof piece === 'string')) {
      this.#give(pieces.join(''));
      return;
    }
    const joined = joinSmall(pieces, bytes);
    const [only] = joined;
    if (joined.length === 1 && only !== undefined) {
      this.#give(only);
      return;
    }
    const chunks = joined.map((chunk) => ({
      chunk,
      encoding: (typeof chunk === 'string' ? 'utf8' : 'buffer') as BufferEncoding,
    }));
    this.#socket._writev?.(chunks, this.#written);
  }

  #give(piece: Piece): void {
    this.#socket._write(piece, typeof piece === 'string' ? 'utf8' : ('buffer' as BufferEncoding), this.#written);
  }

  /** The kernel has taken what is in flight: at once, before `_write` returns, as long as it has room. */
  readonly #written = (error?: Error | null): void => {
    if (error) {
      this.drop();
      this.#socket.destroy(error);
      return;
    }
    this.#inFlight = 0;
    if (this.#giving) return;
    this.flush();
    this.#owner.outboundMoved();
  };
}

const NONE: Piece[] = [];

function sizeOf(piece: Piece): number {
  return typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
}

function flushScheduled(outbound: Outbound): void {
  outbound.flushScheduled();
}

/** The same bytes in fewer pieces: neighbours that are small become one buffer. */
function joinSmall(pieces: readonly Piece[], bytes: number): Piece[] {
  if (bytes <= LARGE_PIECE) return [join(pieces, bytes)];
  const joined: Piece[] = [];
  let small: Piece[] = [];
  let smallBytes = 0;
  const flushSmall = (): void => {
    if (smallBytes > 0) joined.push(join(small, smallBytes));
    small = [];
    smallBytes = 0;
  };
  for (const piece of pieces) {
    const size = sizeOf(piece);
    if (size < LARGE_PIECE) {
      small.push(piece);
      smallBytes += size;
    } else {
      flushSmall();
      joined.push(piece);
    }
  }
  flushSmall();
  return joined;
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
