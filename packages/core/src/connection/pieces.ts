// The bytes and texts of one connection on their way out, as few pieces as are worth it.

/** What a codec writes. Text is UTF-8. */
export type Piece = Uint8Array | string;

/** From this many bytes on a piece is handed to the socket as it is; smaller ones are copied together. */
const LARGE_PIECE = 16_384;

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
    const queue = [this.#first as Piece, ...this.#more];
    const taken: Piece[] = [];
    let room = limit;
    let next = 0;
    while (room > 0 && next < queue.length) {
      const piece = queue[next] as Piece;
      const size = sizeAtMost(piece);
      if (size <= room) {
        taken.push(piece);
        room -= size;
        next++;
        continue;
      }
      const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
      this.#length += bytes.length - piece.length;
      if (bytes.length <= room) {
        queue[next] = bytes;
        // It fits after all, and is taken in the next round.
        continue;
      }
      taken.push(bytes.subarray(0, room));
      queue[next] = bytes.subarray(room);
      room = 0;
    }
    for (const piece of taken) this.#length -= piece.length;
    this.#first = queue[next];
    this.#more = queue.length > next + 1 ? queue.slice(next + 1) : NONE;
    return taken;
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
