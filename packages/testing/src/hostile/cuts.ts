// Where input is cut, so that a long one does not take for ever.

/**
 * Places in `length` bytes to cut at, in order and no more than `limit`. Where there are more, both ends keep theirs, since there most
 * goes wrong, and the others are spread evenly between them.
 */
export function cutPlaces(length: number, limit: number): number[] {
  const inside = Math.max(0, length - 1);
  if (inside <= limit) return Array.from({ length: inside }, (_, i) => i + 1);
  const edge = Math.floor(limit / 4);
  const between = limit - 2 * edge;
  const step = (inside - 2 * edge) / between;
  return [
    ...Array.from({ length: edge }, (_, i) => 1 + i),
    ...Array.from({ length: between }, (_, i) => 1 + edge + Math.floor(i * step)),
    ...Array.from({ length: edge }, (_, i) => length - edge + i),
  ];
}

/** How long the pieces of `length` bytes are if they are as short as `limit` of them allow: one byte, mostly. */
export function pieceLength(length: number, limit: number): number {
  return Math.max(1, Math.ceil(length / (limit + 1)));
}
