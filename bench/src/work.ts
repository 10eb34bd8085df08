/** Rounds that take a core of today about 200 µs. */
const ROUNDS = 80_000;

let result = 1;

/** Keeps the core busy for as many instructions each time, so that it takes longer where the core is shared. */
export function work(): void {
  for (let round = 0; round < ROUNDS; round++) {
    result ^= result << 13;
    result ^= result >>> 17;
    result ^= result << 5;
  }
  // An engine that sees that nobody wants it would leave it out.
  if (result === 0) throw new Error('xorshift does not come to 0');
}
