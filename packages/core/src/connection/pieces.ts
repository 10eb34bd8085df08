// The bytes and texts of one connection on their way out, as few pieces as are worth it.

/** What a codec writes. Text is UTF-8. */
export type Piece = Uint8Array | string;

/** From this many bytes on a piece is handed to the socket as it is; smaller ones are copied together. */
const LARGE_PIECE = 16_384;

/** Spent places at the front of a queue that are not worth giving back. */
const SPENT_KEPT = 1_024;

/** A queue without entries, shared so that it costs nothing. */
const NONE: Piece[] = [];

/**
 * Pieces in the order in which they were sent.
 *
 * `length` counts a text by its characters, since what it takes in UTF-8 is known only when it is written.
 */
export class PieceQueue {
  /** Mostly there is only one piece, and no array is needed. */
  #first: Piece | undefined;
  #more: Piece[] = NONE;
  /** Index in `#more` of the piece behind the first. */
  #next = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Hot path. Texts that follow each other become one. */
  push(piece: Piece): void {
    this.#length += piece.length;
    if (this.#first === undefined) {
      this.#first = piece;
    } else if (this.#more === NONE) {
      if (typeof piece === 'string' && typeof this.#first === 'string') this.#first += piece;
      else this.#more = [piece];
    } else {
      this.#more.push(piece);
    }
  }

  clear(): void {
    this.#first = undefined;
    this.#more = NONE;
    this.#next = 0;
    this.#length = 0;
  }

  /** Hot path: takes pieces of `limit` bytes at most, the last one cut where it goes over. */
  take(limit: number): Piece | Piece[] {
    const first = this.#first as Piece;
    if (this.#more === NONE && sizeAtMost(first) <= limit) {
      this.clear();
      return first;
    }
    return this.#takeMany(limit);
  }

  #takeMany(limit: number): Piece[] {
    const taken: Piece[] = [];
    let room = limit;
    while (room > 0 && this.#first !== undefined) {
      let piece: Piece = this.#first;
      let size = sizeAtMost(piece);
      if (size > room && typeof piece === 'string') {
        this.#length -= piece.length;
        piece = Buffer.from(piece);
        this.#length += piece.length;
        size = piece.length;
      }
      if (size > room && typeof piece !== 'string') {
        taken.push(piece.subarray(0, room));
        this.#first = piece.subarray(room);
        this.#length -= room;
        break;
      }
      taken.push(piece);
      room -= size;
      this.#length -= piece.length;
      this.#shift();
    }
    return taken;
  }

  /** Goes on to the next piece. */
  #shift(): void {
    this.#first = this.#more[this.#next++];
    if (this.#next >= this.#more.length) {
      this.#more = NONE;
      this.#next = 0;
    } else if (this.#next > SPENT_KEPT && this.#next * 2 > this.#more.length) {
      // Half of it is spent: giving that back now and then keeps it linear.
      this.#more = this.#more.slice(this.#next);
      this.#next = 0;
    }
  }
}

/** How many bytes a piece may come to. */
function sizeAtMost(piece: Piece): number {
  return typeof piece === 'string' ? piece.length * 3 : piece.length;
}

/** The same bytes in fewer pieces: text is joined, neighbours that are small become one buffer, large ones stay as they are. */
export function joinPieces(pieces: readonly Piece[]): Piece[] {
  if (pieces.every((piece) => typeof piece === 'string')) return [pieces.join('')];
  const joined: Piece[] = [];
  let small: Piece[] = [];
  let smallBytes = 0;
  const finishSmall = (): void => {
    if (smallBytes > 0) joined.push(concatenate(small, smallBytes));
    small = [];
    smallBytes = 0;
  };
  for (const piece of pieces) {
    const size = typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
    if (size < LARGE_PIECE) {
      small.push(piece);
      smallBytes += size;
    } else {
      finishSmall();
      joined.push(piece);
    }
  }
  finishSmall();
  return joined;
}

function concatenate(pieces: readonly Piece[], bytes: number): Buffer {
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
