import { Logger, type LogLevel } from '@reagent/core';
import { shownStack } from './shown-stack.js';

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

/** What went wrong according to the log, a text each, with the errors that were logged. */
export function troublesOf(entries: readonly LogEntry[]): string[] {
  return entries.filter(isTrouble).map(({ level, fields, message }) => {
    const errors = Object.values(fields).filter((value) => value instanceof Error);
    const why = typeof fields.error === 'string' ? `: ${fields.error}` : '';
    return [`${level}: ${message}${why}`, ...errors.map(shownStack)].join('\n');
  });
}

/** Besides warnings and errors: what a client has brought about, such as a frame that is too long, is of level info. */
function isTrouble({ level, fields }: LogEntry): boolean {
  return level === 'warn' || level === 'error' || level === 'fatal' || (level === 'info' && 'error' in fields);
}
