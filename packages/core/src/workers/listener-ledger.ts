import type { ListenerStatistics } from '../telemetry/statistics.js';
import type { ListenerFacts } from './messages.js';
import { lastCounts, sumStatistics } from './sum-statistics.js';

/** What a worker has told last. */
export interface Teller {
  readonly facts: readonly ListenerFacts[];
  readonly figures: readonly ListenerStatistics[];
  /** The listeners that it could not bind, since they are suspended. */
  readonly unbound: ReadonlySet<string>;
}

/** What is known of the listeners from what workers tell, those that have ended included. */
export class ListenerLedger {
  /** By name, in the order in which they were bound. */
  readonly #facts = new Map<string, ListenerFacts>();
  /** The counts of processes that have ended. */
  readonly #departed = new Map<string, ListenerStatistics>();

  get facts(): readonly ListenerFacts[] {
    return [...this.#facts.values()];
  }

  note({ facts, unbound }: Teller): void {
    for (const told of facts) {
      const known = this.#facts.get(told.name);
      // A worker that has bound nothing does not know where the listener was, and will be.
      const endpoint = unbound.has(told.name) && known !== undefined ? known.endpoint : told.endpoint;
      this.#facts.set(told.name, { ...told, endpoint });
    }
  }

  /** A worker has ended. Its counts go on to be part of the sums, which so never fall. */
  depart({ figures }: Teller): void {
    for (const last of figures) {
      const counts = lastCounts(last);
      const before = this.#departed.get(last.name);
      this.#departed.set(last.name, before === undefined ? counts : sumStatistics([counts, before]));
    }
  }

  /** Forgets the listeners that none of these workers has any more, which are all there are. */
  keep(workers: readonly Teller[]): void {
    const present = new Set(workers.flatMap(({ facts }) => facts.map(({ name }) => name)));
    for (const name of this.#facts.keys()) if (!present.has(name)) this.#facts.delete(name);
  }

  clear(): void {
    this.#facts.clear();
  }

  /** The figures of a listener, in these workers and in those that have ended; `undefined` while there are none. */
  statistics(listener: string, workers: readonly Teller[]): ListenerStatistics | undefined {
    const departed = this.#departed.get(listener);
    const [first, ...others] = [
      ...workers.flatMap(({ figures }) => figures.filter(({ name }) => name === listener)),
      ...(departed === undefined ? [] : [departed]),
    ];
    return first === undefined ? undefined : sumStatistics([first, ...others]);
  }
}
