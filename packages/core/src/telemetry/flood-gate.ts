import type { Logger } from './logger.js';

/** Lines of a kind that are written per interval. */
const LINES = 10;

/** Milliseconds. */
const INTERVAL = 10_000;

interface Kind {
  /** Since the interval began. */
  lines: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Lines about what any client can bring about: so many of a kind are written, and of the others how many they were, so that a flood
 * of clients is no flood of lines.
 */
export class FloodGate {
  readonly #logger: Logger;
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #kinds = new Map<string, Kind>();

  /** @param fields what each line carries */
  constructor(logger: Logger, fields: Readonly<Record<string, unknown>>) {
    this.#logger = logger;
    this.#fields = fields;
  }

  /** Writes a line at level info, unless there were many with this message just now. `fields` is asked only for those written. */
  info(message: string, fields: () => Readonly<Record<string, unknown>>): void {
    let kind = this.#kinds.get(message);
    if (kind === undefined) {
      kind = { lines: 0, timer: undefined };
      this.#kinds.set(message, kind);
    }
    kind.timer ??= setTimeout(() => this.#over(message), INTERVAL).unref();
    if (++kind.lines <= LINES) this.#logger.info({ ...this.#fields, ...fields() }, message);
  }

  /** Tells what was held back, and forgets all. */
  close(): void {
    for (const message of [...this.#kinds.keys()]) this.#over(message);
  }

  #over(message: string): void {
    const kind = this.#kinds.get(message);
    if (kind === undefined) return;
    clearTimeout(kind.timer);
    this.#kinds.delete(message);
    if (kind.lines > LINES) {
      this.#logger.info({ ...this.#fields, more: kind.lines - LINES }, `${message}, and more of the kind`);
    }
  }
}
