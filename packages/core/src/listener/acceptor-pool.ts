import type { Arrival } from './arrival.js';
import { Fifo } from './fifo.js';

/** The acceptors of a listener: so many connections are set up at the same time, the others wait their turn. */
export class AcceptorPool {
  readonly #waiting = new Fifo<Arrival>();
  #busy = 0;
  #size: number;
  #waking = false;

  constructor(
    size: number,
    /** Sets a client up; `leave` must follow, now or later. */
    private readonly setUp: (arrival: Arrival) => void,
  ) {
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  get busy(): number {
    return this.#busy;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Sets a client up now if an acceptor is free, else when one becomes free. */
  enter(arrival: Arrival): void {
    if (this.#busy < this.#size && this.#waiting.size === 0) {
      this.#busy++;
      this.setUp(arrival);
    } else {
      this.#waiting.push(arrival);
    }
  }

  /** A client has been set up, or given up: its acceptor takes the next. */
  leave(): void {
    this.#busy--;
    this.#wake();
  }

  /** Takes one back that has no acceptor yet; returns whether it waited. */
  delete(arrival: Arrival): boolean {
    return this.#waiting.delete(arrival);
  }

  /** Takes back all that have no acceptor yet. */
  clear(): Arrival[] {
    const arrivals: Arrival[] = [];
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) arrivals.push(next);
    return arrivals;
  }

  resize(size: number): void {
    this.#size = size;
    this.#wake();
  }

  // A loop and not a call in a call: a client that is set up at once leaves inside of `setUp`, and thousands may wait.
  #wake(): void {
    if (this.#waking) return;
    this.#waking = true;
    try {
      while (this.#busy < this.#size) {
        const arrival = this.#waiting.shift();
        if (arrival === undefined) break;
        this.#busy++;
        this.setUp(arrival);
      }
    } finally {
      this.#waking = false;
    }
  }
}
