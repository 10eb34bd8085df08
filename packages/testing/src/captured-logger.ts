import { Logger, type LogLevel } from '@reagent/core';

/** One event that the application logged. */
export interface LogEntry {
  readonly level: Exclude<LogLevel, 'silent'>;
  /** What was logged besides the message; empty if nothing was. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Empty if there was none. */
  readonly message: string;
}

/** A logger that keeps what it gets instead of writing it, and passes it on to another one if there is one. */
export class CapturedLogger extends Logger {
  readonly #entries: LogEntry[] = [];
  readonly #next: Logger | undefined;
  /** Is told of each entry at once. */
  onEntry: ((entry: LogEntry) => void) | undefined;

  constructor(next?: Logger) {
    super();
    this.#next = next;
  }

  /** All so far; it grows. */
  get entries(): readonly LogEntry[] {
    return this.#entries;
  }

  override trace(fields: object | string, message?: string): void {
    this.#keep('trace', fields, message);
  }

  override debug(fields: object | string, message?: string): void {
    this.#keep('debug', fields, message);
  }

  override info(fields: object | string, message?: string): void {
    this.#keep('info', fields, message);
  }

  override warn(fields: object | string, message?: string): void {
    this.#keep('warn', fields, message);
  }

  override error(fields: object | string, message?: string): void {
    this.#keep('error', fields, message);
  }

  override fatal(fields: object | string, message?: string): void {
    this.#keep('fatal', fields, message);
  }

  #keep(level: LogEntry['level'], fields: object | string, message: string | undefined): void {
    const kept = entry(level, fields, message);
    this.#entries.push(kept);
    this.onEntry?.(kept);
    if (typeof fields === 'string') this.#next?.[level](fields);
    else this.#next?.[level](fields, message);
  }
}

function entry(level: LogEntry['level'], fields: object | string, message: string | undefined): LogEntry {
  if (typeof fields === 'string') return { level, fields: {}, message: fields };
  if (fields instanceof Error) return { level, fields: { error: fields }, message: message ?? fields.message };
  return { level, fields: { ...fields }, message: message ?? '' };
}

const STACK_LINES = 4;

/** The warnings and errors among the entries, a text each, with the beginning of the stack of the errors they carry. */
export function troublesOf(entries: readonly LogEntry[]): string[] {
  return entries
    .filter(({ level }) => level === 'warn' || level === 'error' || level === 'fatal')
    .map(({ level, fields, message }) => {
      const errors = Object.values(fields).filter((value) => value instanceof Error);
      const stacks = errors.map(({ message, stack = message }) => stack.split('\n').slice(0, STACK_LINES).join('\n'));
      return [`${level}: ${message}`, ...stacks].join('\n');
    });
}
