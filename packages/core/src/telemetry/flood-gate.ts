import type { Logger, LogLevel } from './logger.js';

/** Lines of a kind that are written per interval. */
const LINES = 10;

/** Milliseconds. */
const INTERVAL = 10_000;

/** Kinds that are told apart at a time, so that whoever can choose what makes one cannot have it write without end. */
const KINDS = 100;

type Level = Exclude<LogLevel, 'silent'>;
type Fields = Readonly<Record<string, unknown>>;

/** Lines with the same level, message and code. */
interface Kind {
  readonly level: Level;
  readonly message: string;
  readonly code: string | undefined;
  /** Since the interval began. */
  lines: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Lines about what any client can bring about: so many of a kind are written, and of the others how many they were, so that a flood
 * of clients is no flood of lines, and hides nothing else.
 */
export class FloodGate {
  readonly #logger: Logger;
  readonly #fields: Fields;
  readonly #kinds = new Map<string, Kind>();

  /** @param fields what each line carries */
  constructor(logger: Logger, fields: Fields) {
    this.#logger = logger;
    this.#fields = fields;
  }

  /**
   * Writes a line, unless there were many of its kind just now. `fields` is asked only for those written.
   *
   * @param code what tells lines with the same message apart, such as the code of an error
   */
  write(level: Level, message: string, fields: () => Fields, code?: string): void {
    const kind = this.#kindOf(level, message, code);
    if (++kind.lines <= LINES) this.#logger[level]({ ...this.#fields, ...fields() }, message);
  }

  /** Writes a line about an error. Errors with different codes, or names where they have none, are of different kinds. */
  writeError(level: Level, message: string, error: Error, fields: () => Fields): void {
    this.write(level, message, () => ({ ...fields(), err: error }), codeOf(error));
  }

  /** Tells what was held back, and forgets all. */
  close(): void {
    for (const key of [...this.#kinds.keys()]) this.#over(key);
  }

  #kindOf(level: Level, message: string, code: string | undefined): Kind {
    const key = `${level} ${message} ${code ?? ''}`;
    const known = this.#kinds.get(key);
    if (known !== undefined) return known;
    if (code !== undefined && this.#kinds.size >= KINDS) return this.#kindOf(level, message, undefined);
    const timer = setTimeout(() => this.#over(key), INTERVAL).unref();
    const kind: Kind = { level, message, code, lines: 0, timer };
    this.#kinds.set(key, kind);
    return kind;
  }

  #over(key: string): void {
    const kind = this.#kinds.get(key);
    if (kind === undefined) return;
    clearTimeout(kind.timer);
    this.#kinds.delete(key);
    const { level, message, code } = kind;
    const more = kind.lines - LINES;
    if (more <= 0) return;
    const told = code === undefined ? { more } : { code, more };
    this.#logger[level]({ ...this.#fields, ...told }, `${message}, and more of the kind`);
  }
}

function codeOf(error: Error & { readonly code?: unknown }): string {
  return typeof error.code === 'string' ? error.code : error.name;
}
