import type { Socket } from 'node:net';
import type { ByteSink } from '../codec/codec.js';
import { endSocket } from '../transport/held-socket.js';
import { joinPieces, type Piece, PieceQueue } from './pieces.js';

/** Bytes given to the socket at a time. A client that takes less than this within `timeouts.send` counts as taking nothing. */
const SLICE = 131_072;

/** Who is told how the sending goes. */
export interface OutboundOwner {
  /** The kernel took less than it was given: bytes wait. */
  outboundStalled(): void;
  /** Bytes that had to wait were taken. */
  outboundMoved(): void;
  /** What was queued by the end of the tick was given to the socket. */
  outboundFlushed(): void;
  /** Everything and our FIN were given to the socket. */
  outboundEnded(): void;
}

/** Bytes that are made while they are sent, a part at a time, such as those of a file. */
export interface OutboundSource {
  /** How many bytes are still to come, as far as is known. */
  readonly remaining: number;
  /** The next bytes, which stay as they are until it is called again; `undefined` when there are no more. */
  next(): Promise<Uint8Array | undefined>;
  /** It is not needed any further: all was sent, or nothing can be sent any more. Called once. */
  end(delivered: boolean): void;
}

/**
 * - `open`: takes what is sent.
 * - `ending`: our FIN follows what is queued.
 * - `finished`: our FIN was given to the socket, behind all that was sent.
 * - `dropped`: the socket is gone, and so is what was queued.
 */
type OutboundState = 'open' | 'ending' | 'finished' | 'dropped';

/** To run something as the next microtask, without the cost of `queueMicrotask`. */
const now = Promise.resolve();

/** A source in the queue, with what was sent after it. */
interface Queued {
  readonly source: OutboundSource;
  readonly after: PieceQueue;
  started: boolean;
}

/**
 * What a connection sends: pieces are collected while a chunk of input is dispatched, or until the end of the tick, and leave in
 * one write.
 *
 * The socket is given a slice at a time and the next when the kernel has taken it, so that it shows whether the client takes any.
 * Since nothing else writes, the stream's own queue would only be a second one: its `_write` is called past it.
 */
export class Outbound implements ByteSink {
  #socket: Socket;
  readonly #owner: OutboundOwner;
  #pieces = new PieceQueue();
  /** Sources behind the pieces, in order. */
  #sources: Queued[] | undefined;
  /** Bytes given to the socket that the kernel has not taken whole. */
  #inFlight = 0;
  /** `_write` has not returned yet. */
  #giving = false;
  #scheduled = false;
  #lookAgain: (() => void) | undefined;
  #state: OutboundState = 'open';
  /** Tells the source being sent that its part has been taken. */
  #partTaken: (() => void) | undefined;
  #highWaterMark: number;
  #drainWaiters: (() => void)[] | undefined;

  /** While `true`, someone is going to call `flush()`. */
  held = false;

  /** @param highWaterMark bytes that may wait before it is full */
  constructor(socket: Socket, owner: OutboundOwner, highWaterMark: number) {
    this.#socket = socket;
    this.#owner = owner;
    this.#highWaterMark = highWaterMark;
  }

  /** Bytes that the kernel has not taken yet; of text, characters. */
  get waiting(): number {
    const waiting = this.#pieces.length + this.#inFlight;
    if (this.#sources === undefined) return waiting;
    return this.#sources.reduce((sum, { source, after }) => sum + source.remaining + after.length, waiting);
  }

  /** Whether so much waits that no more should be sent. */
  get isFull(): boolean {
    return this.waiting > this.#highWaterMark;
  }

  set highWaterMark(bytes: number) {
    this.#highWaterMark = bytes;
    this.#settleDrained();
  }

  /** Where to send from now on. To be set while nothing is in flight. */
  set socket(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether nothing can be sent any more. */
  get ended(): boolean {
    return this.#state !== 'open';
  }

  /** Whether our FIN was given to the socket, behind all that was sent. */
  get finished(): boolean {
    return this.#state === 'finished';
  }

  /** Whether the kernel takes no more at the moment. */
  get stalled(): boolean {
    return this.#inFlight > 0;
  }

  /** Hot path. */
  write(piece: Piece): void {
    if (typeof piece !== 'string' && !(piece instanceof Uint8Array)) throw new TypeError(unsendable(piece));
    if (piece.length === 0) return;
    const pieces = this.#sources === undefined ? this.#pieces : (this.#sources.at(-1) as Queued).after;
    pieces.push(piece);
    if (this.held || this.#scheduled || this.#inFlight > 0) return;
    this.#scheduled = true;
    // A handler that was waiting in `recv` goes back to it in the same microtask, which flushes; only where it does not, is there
    // something left to be done at the end of the tick.
    this.#lookAgain ??= () => {
      if (this.#pieces.length === 0) this.flushScheduled();
      else process.nextTick(flushScheduled, this);
    };
    void now.then(this.#lookAgain);
  }

  /** Sends what a source gives, in its place between what was sent before and what will be sent after. */
  writeFrom(source: OutboundSource): void {
    this.#sources ??= [];
    this.#sources.push({ source, after: new PieceQueue(), started: false });
    this.flush();
  }

  /** Hot path: gives the socket all that is queued, as far as the kernel takes it. */
  flush(): void {
    while (this.#pieces.length > 0 && this.#inFlight === 0) {
      this.#give(this.#pieces.take(SLICE));
      if (this.#inFlight > 0) this.#owner.outboundStalled();
    }
    if (this.#drainWaiters !== undefined) this.#settleDrained();
    if (this.#inFlight > 0 || this.#state === 'dropped') return;
    if (this.#sources !== undefined) {
      this.#startSource(this.#sources[0] as Queued);
    } else if (this.#state === 'ending') {
      this.#state = 'finished';
      endSocket(this.#socket);
      this.#owner.outboundEnded();
    }
  }

  flushScheduled(): void {
    this.#scheduled = false;
    this.flush();
    this.#owner.outboundFlushed();
  }

  /** Calls back once it is not full: now, if so already, or when nothing can be sent any more. */
  whenDrained(callback: () => void): void {
    if (!this.held) this.flush();
    if (this.isFull) {
      this.#drainWaiters ??= [];
      this.#drainWaiters.push(callback);
    } else {
      callback();
    }
  }

  /** Sends what is queued, and then our FIN. */
  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.flush();
  }

  /** The socket is gone, or is to be reset: forgets what is queued. */
  drop(): void {
    if (this.#state !== 'finished') this.#state = 'dropped';
    this.#inFlight = 0;
    this.#pieces.clear();
    const sources = this.#sources;
    this.#sources = undefined;
    for (const { source } of sources ?? []) source.end(false);
    this.#tellPartTaken();
    this.#settleDrained();
  }

  #give(pieces: Piece | Piece[]): void {
    const joined = Array.isArray(pieces) ? joinPieces(pieces) : pieces;
    this.#giving = true;
    if (!Array.isArray(joined)) {
      this.#giveOne(joined);
    } else if (joined.length === 1) {
      this.#giveOne(joined[0] as Piece);
    } else {
      this.#inFlight = joined.reduce((sum, piece) => sum + piece.length, 0);
      const chunks = joined.map((chunk) => ({ chunk, encoding: encodingOf(chunk) }));
      this.#socket._writev?.(chunks, this.#written);
    }
    this.#giving = false;
  }

  #giveOne(piece: Piece): void {
    this.#inFlight = piece.length;
    this.#socket._write(piece, encodingOf(piece), this.#written);
  }

  /** The kernel has taken what is in flight: at once, before `_write` returns, as long as it has room. */
  readonly #written = (error?: Error | null): void => {
    if (error) {
      // The connection drops what is queued when it is told of the close, and knows the reason then.
      this.#socket.destroy(error);
      return;
    }
    this.#inFlight = 0;
    if (this.#giving) return;
    this.#tellPartTaken();
    this.flush();
    this.#owner.outboundMoved();
  };

  #startSource(queued: Queued): void {
    if (queued.started) return;
    queued.started = true;
    void this.#sendSource(queued);
  }

  async #sendSource(queued: Queued): Promise<void> {
    for (let part = await queued.source.next(); part !== undefined; part = await queued.source.next()) {
      // Dropped meanwhile.
      if (this.#sources?.[0] !== queued) return;
      this.#give(part);
      if (this.#inFlight > 0) {
        this.#owner.outboundStalled();
        await new Promise<void>((resolve) => {
          this.#partTaken = resolve;
        });
      } else {
        this.#owner.outboundMoved();
      }
    }
    if (this.#sources?.[0] !== queued) return;
    this.#sources.shift();
    if (this.#sources.length === 0) this.#sources = undefined;
    this.#pieces = queued.after;
    queued.source.end(true);
    this.flush();
    this.#owner.outboundMoved();
  }

  #settleDrained(): void {
    if (this.#drainWaiters === undefined || this.isFull) return;
    const waiters = this.#drainWaiters;
    this.#drainWaiters = undefined;
    for (const resolve of waiters) resolve();
  }

  #tellPartTaken(): void {
    const tell = this.#partTaken;
    this.#partTaken = undefined;
    tell?.();
  }
}

function unsendable(value: unknown): string {
  const received =
    value === null || typeof value !== 'object' ? String(value) : `a value of class ${value.constructor?.name}`;
  return `expected text or bytes to send, received ${received}; to send values, set a codec, such as lines().pipe(json())`;
}

function encodingOf(piece: Piece): BufferEncoding {
  // 'buffer' is what the stream itself passes for bytes; its type is not told.
  return typeof piece === 'string' ? 'utf8' : ('buffer' as BufferEncoding);
}

function flushScheduled(outbound: Outbound): void {
  outbound.flushScheduled();
}
