import type { Arrival } from './arrival.js';
import { Fifo } from './fifo.js';

/**
 * The acceptors of a listener: so many connections are set up at the same time, the others wait their turn.
 *
 * While a client is the one to act (it owes its PROXY header, or its part of the TLS handshake), its acceptor is lent to whoever waits
 * for one: clients that say nothing keep nobody else from being served.
 */
export class AcceptorPool {
  /** For their first step. */
  readonly #waiting = new Fifo<Arrival>();
  /** For their next step: their acceptor was lent to somebody when their client had done its part. */
  readonly #returning = new Fifo<Arrival>();
  /** Have an acceptor, and no use for it at the moment. */
  readonly #lenders = new Fifo<Arrival>();
  #busy = 0;
  #size: number;
  #waking = false;

  constructor(
    size: number,
    /** Does the next step for a client; `leave`, `lend` or `giveUp` must follow, now or later. */
    private readonly step: (arrival: Arrival) => void,
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
    return this.#waiting.size + this.#returning.size;
  }

  /** Those who wait, for their first step or their next. */
  *queue(): Iterable<Arrival> {
    yield* this.#waiting;
    yield* this.#returning;
  }

  /** Sets a client up now if an acceptor is free, else when one becomes free. */
  enter(arrival: Arrival): void {
    if (this.waiting === 0 && this.#take(arrival)) this.step(arrival);
    else this.#waiting.push(arrival);
  }

  /** It is the client's turn to act: until `reclaim`, its acceptor may serve others. */
  lend(arrival: Arrival): void {
    this.#lenders.push(arrival);
    if (this.waiting > 0) this.#wake();
  }

  /** The client has acted: its next step follows now, or as soon as an acceptor is free. */
  reclaim(arrival: Arrival): void {
    if (arrival.hasAcceptor) {
      this.#lenders.delete(arrival);
      this.step(arrival);
    } else {
      this.#returning.push(arrival);
      this.#wake();
    }
  }

  /** A client has been set up: its acceptor takes the next. */
  leave(): void {
    this.#busy--;
    this.#wake();
  }

  /** A client is given up, wherever it stands. */
  giveUp(arrival: Arrival): void {
    if (arrival.hasAcceptor) {
      arrival.hasAcceptor = false;
      this.#lenders.delete(arrival);
      this.leave();
    } else if (!this.#waiting.delete(arrival)) {
      this.#returning.delete(arrival);
    }
  }

  /** Takes back all that wait for their first step. */
  clear(): Arrival[] {
    const arrivals: Arrival[] = [];
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) arrivals.push(next);
    return arrivals;
  }

  resize(size: number): void {
    this.#size = size;
    this.#wake();
  }

  /** Gives a client an acceptor: a free one, or one that is lent. */
  #take(arrival: Arrival): boolean {
    while (this.#busy >= this.#size) {
      const lender = this.#lenders.shift();
      if (lender === undefined) return false;
      lender.hasAcceptor = false;
      this.#busy--;
    }
    this.#busy++;
    arrival.hasAcceptor = true;
    return true;
  }

  // A loop and not a call in a call: a client that is set up at once leaves inside of `step`, and thousands may wait.
  #wake(): void {
    if (this.#waking) return;
    this.#waking = true;
    try {
      while (this.waiting > 0 && (this.#busy < this.#size || this.#lenders.size > 0)) {
        const arrival = this.#returning.shift() ?? this.#waiting.shift();
        if (arrival === undefined || !this.#take(arrival)) break;
        this.step(arrival);
      }
    } finally {
      this.#waking = false;
    }
  }
}
