import type { Admitted } from '../connection/admitted.js';
import { Deadlines } from '../connection/deadlines.js';
import type { Descriptor } from '../descriptor/descriptor.js';
import type { RejectReason } from '../telemetry/statistics.js';
import type { Arrival } from './arrival.js';
import { Fifo } from './fifo.js';
import { RateLimit } from './rate-limit.js';

type AdmissionLimits = Pick<
  Descriptor,
  'maxConnections' | 'maxConnectionsPerIp' | 'acceptRate' | 'maxWaiting' | 'timeouts'
>;

/** What becomes of those who arrive. */
export interface AdmissionDesk {
  admitted(arrival: Arrival): void;
  turnedAway(arrival: Arrival, reason: RejectReason): void;
}

/** Who may come in: the limits on connections, and the queue of those who wait for room. */
export class Admission {
  readonly #desk: AdmissionDesk;
  readonly #waiting = new Fifo<Arrival>();
  readonly #waits: Deadlines<Arrival>;
  readonly #perIp = new Map<string, number>();
  readonly #maxWaiting: number;
  readonly #rate: RateLimit | undefined;
  /** Whoever is in is counted where the address is known; for the others there is `locate`. */
  maxConnectionsPerIp: number;
  #maxConnections: number;
  #active = 0;
  #waking = false;

  constructor(limits: AdmissionLimits, desk: AdmissionDesk) {
    this.#desk = desk;
    this.#maxConnections = limits.maxConnections;
    this.maxConnectionsPerIp = limits.maxConnectionsPerIp;
    this.#maxWaiting = limits.maxWaiting;
    this.#rate = limits.acceptRate === undefined ? undefined : new RateLimit(limits.acceptRate);
    this.#waits = new Deadlines(
      limits.timeouts.wait,
      (arrival) => arrival.since,
      (arrival) => this.#turnAway(arrival, 'wait'),
    );
  }

  /** Connections that count: admitted, not exempt, not closed. */
  get active(): number {
    return this.#active;
  }

  /** Whether a client's address matters. */
  get asksForAddresses(): boolean {
    return this.#rate !== undefined || this.maxConnectionsPerIp !== Infinity;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get maxConnections(): number {
    return this.#maxConnections;
  }

  set maxConnections(limit: number) {
    this.#maxConnections = limit;
    this.#wake();
  }

  /** Milliseconds that a client may wait, those included that do already. */
  set waitTimeout(timeout: number) {
    this.#waits.duration = timeout;
  }

  /** Those who wait for room, in order. */
  get queue(): Iterable<Arrival> {
    return this.#waiting;
  }

  /** Why a client at this address is not even to wait; `undefined` if it may. */
  refusal(ip: string): RejectReason | undefined {
    if (ip === '') return undefined;
    if (this.#rate !== undefined && !this.#rate.take(ip)) return 'acceptRate';
    if ((this.#perIp.get(ip) ?? 0) >= this.maxConnectionsPerIp) return 'maxConnectionsPerIp';
    return undefined;
  }

  /** An admitted client's address has turned out: counts it there, or tells why it may not stay. */
  identify(client: Admitted): RejectReason | undefined {
    const refusal = this.refusal(client.ip);
    // Whoever leaves is counted out again, refused or not.
    this.#count(client.ip, 1);
    return refusal;
  }

  /** Counts a client that came when nobody asked for its address. */
  locate(client: Admitted, ip: string): void {
    client.ip = ip;
    this.#count(ip, 1);
  }

  /** Admits a client, has it wait for room, or turns it away. Whoever comes in must go out by `leave`. */
  enter(arrival: Arrival): void {
    this.#count(arrival.ip, 1);
    if (this.#active < this.#maxConnections) {
      this.#admit(arrival);
    } else if (this.#waiting.size < this.#maxWaiting) {
      this.#waiting.push(arrival);
      arrival.since = performance.now();
      this.#waits.add(arrival);
    } else {
      this.#turnAway(arrival, 'maxConnections');
    }
  }

  /** A client that was admitted is gone. */
  leave(client: Admitted): void {
    this.#count(client.ip, -1);
    this.exempt(client);
  }

  /** A client that waited is gone by itself; returns whether it waited. */
  abandon(arrival: Arrival): boolean {
    if (!this.#waiting.delete(arrival)) return false;
    this.#waits.delete(arrival);
    this.#count(arrival.ip, -1);
    return true;
  }

  /** From now on a connection does not count against `maxConnections`. */
  exempt(client: Admitted): void {
    if (!client.counted) return;
    client.counted = false;
    this.#active--;
    this.#wake();
  }

  /** Turns away all who wait. */
  clear(): void {
    for (let arrival = this.#waiting.shift(); arrival !== undefined; arrival = this.#waiting.shift()) {
      this.#turnAway(arrival, 'shutdown');
    }
  }

  #admit(arrival: Arrival): void {
    arrival.counted = true;
    arrival.state = 'admitted';
    this.#active++;
    this.#desk.admitted(arrival);
  }

  #turnAway(arrival: Arrival, reason: RejectReason): void {
    this.#waiting.delete(arrival);
    this.#waits.delete(arrival);
    this.#count(arrival.ip, -1);
    this.#desk.turnedAway(arrival, reason);
  }

  // A loop, since one that is admitted may be gone again before `admitted` returns, and thousands may wait.
  #wake(): void {
    if (this.#waking) return;
    this.#waking = true;
    try {
      while (this.#active < this.#maxConnections) {
        const arrival = this.#waiting.shift();
        if (arrival === undefined) break;
        this.#waits.delete(arrival);
        this.#admit(arrival);
      }
    } finally {
      this.#waking = false;
    }
  }

  // Without a limit too, where the address is known anyway: there may be one before they have left.
  #count(ip: string, change: 1 | -1): void {
    if (ip === '') return;
    const count = (this.#perIp.get(ip) ?? 0) + change;
    if (count === 0) this.#perIp.delete(ip);
    else this.#perIp.set(ip, count);
  }
}
