/** Slots of a wheel that one duration takes. */
const SLOTS_PER_DURATION = 64;

/** Longest delay of Node.js's timers, in milliseconds. */
const LONGEST_TICK = 2 ** 31 - 1;

/**
 * A time limit that very many entries share, on one timer.
 *
 * It is a wheel of slots, each a 64th of the duration. An entry is looked at only when its slot comes up: if it has been active
 * since, it goes into the slot where it will be due then, so activity costs its owner nothing but noting the time. It expires
 * after its duration, and at most two slots (or two milliseconds) later.
 */
export class Deadlines<T> {
  readonly #slots = new Map<number, Set<T>>();
  readonly #slotOf = new Map<T, number>();
  #duration: number;
  #tick: number;
  #timer: NodeJS.Timeout | undefined;
  /** Slots up to this one have been looked at. */
  #swept = 0;

  constructor(
    /** Milliseconds. */
    duration: number,
    /** When the entry was last active, as `performance.now()`; `Infinity` if its time limit is void until it is added again. */
    private readonly activity: (entry: T) => number,
    private readonly expired: (entry: T) => void,
  ) {
    this.#duration = duration;
    this.#tick = tickOf(duration);
  }

  /** Milliseconds; `Infinity` while there is no limit. */
  get duration(): number {
    return this.#duration;
  }

  /** Holds for all entries, each from when it was last active: those for which it is too late already expire with the next tick. */
  set duration(duration: number) {
    if (duration === this.#duration) return;
    const entries = [...this.#slotOf.keys()];
    this.clear();
    this.#duration = duration;
    this.#tick = tickOf(duration);
    for (const entry of entries) if (this.activity(entry) !== Infinity) this.add(entry);
  }

  /** Starts the time of an entry; does nothing if it runs already. */
  add(entry: T): void {
    if (this.#slotOf.has(entry)) return;
    // Without a limit entries are kept all the same, for the day when there is one.
    if (this.#timer === undefined && this.#duration !== Infinity) {
      this.#swept = this.#slotAt(performance.now());
      this.#timer = setInterval(() => {
        const now = performance.now();
        // After the sockets have been looked at: where the process was held up for long, they may have been active all the while.
        setImmediate(() => this.#sweep(now));
      }, this.#tick);
      // Waiting for a time limit is no reason to keep a process that has nothing else to do.
      this.#timer.unref();
    }
    this.#place(entry, this.activity(entry) + this.#duration);
  }

  delete(entry: T): void {
    const slot = this.#slotOf.get(entry);
    if (slot === undefined) return;
    this.#slotOf.delete(entry);
    const entries = this.#slots.get(slot);
    entries?.delete(entry);
    if (entries?.size === 0) this.#slots.delete(slot);
    if (this.#slotOf.size === 0) this.#stop();
  }

  /** Forgets all entries. */
  clear(): void {
    this.#slots.clear();
    this.#slotOf.clear();
    this.#stop();
  }

  #slotAt(time: number): number {
    return Math.floor(time / this.#tick);
  }

  #place(entry: T, due: number): void {
    // The slot after the one in which it is due, so that it is never early.
    const slot = Math.max(this.#slotAt(due), this.#swept) + 1;
    this.#slotOf.set(entry, slot);
    const entries = this.#slots.get(slot);
    if (entries === undefined) this.#slots.set(slot, new Set([entry]));
    else entries.add(entry);
  }

  #sweep(now: number): void {
    const timer = this.#timer;
    if (timer === undefined) return;
    const current = this.#slotAt(now);
    while (this.#swept < current) {
      const slot = ++this.#swept;
      const entries = this.#slots.get(slot);
      if (entries === undefined) continue;
      this.#slots.delete(slot);
      for (const entry of entries) {
        // One that expired just now may have had it deleted, or added anew.
        if (this.#slotOf.get(entry) !== slot) continue;
        this.#slotOf.delete(entry);
        const due = this.activity(entry) + this.#duration;
        if (due === Infinity) continue;
        if (due > now) {
          this.#place(entry, due);
          continue;
        }
        this.expired(entry);
        // That has changed the duration, and with it every slot; or it was the last entry.
        if (this.#timer !== timer) return;
      }
    }
    if (this.#slotOf.size === 0) this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function tickOf(duration: number): number {
  return Math.min(LONGEST_TICK, Math.max(1, Math.ceil(duration / SLOTS_PER_DURATION)));
}
