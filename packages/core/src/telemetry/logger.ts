import { inspect } from 'node:util';

/** How much a logger writes; each level includes those after it. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/**
 * Where reagent and its users log. Inject it by this class; replace it with `bootstrap(AppModule, { logger })`.
 *
 * Any object with these methods will do, a pino logger for one. Each takes a message, or fields and a message.
 *
 * @example
 * ```ts
 * @Reagent({ port: 8080 })
 * class Echo {
 *   constructor(private readonly log: Logger) {}
 *
 *   @OnConnection()
 *   hello(conn: Connection) {
 *     this.log.info({ connection: conn.id }, 'hello');
 *   }
 * }
 * ```
 */
export abstract class Logger {
  abstract trace(fields: object, message?: string): void;
  abstract trace(message: string): void;
  abstract debug(fields: object, message?: string): void;
  abstract debug(message: string): void;
  abstract info(fields: object, message?: string): void;
  abstract info(message: string): void;
  abstract warn(fields: object, message?: string): void;
  abstract warn(message: string): void;
  abstract error(fields: object, message?: string): void;
  abstract error(message: string): void;
  abstract fatal(fields: object, message?: string): void;
  abstract fatal(message: string): void;
}

/** What the default logger takes. */
export interface StderrLoggerOptions {
  /** The lowest level that is written; `'info'` by default. */
  readonly level?: LogLevel;
  /** Where lines go; `process.stderr` by default. */
  readonly stream?: { write(text: string): unknown };
}

/**
 * The default logger: one readable line an event on stderr, and below it the stack of each error among the fields.
 *
 * ```text
 * 2026-03-01T12:00:00.000Z INFO  listening listener=Echo address=127.0.0.1:8080
 * ```
 *
 * Line breaks and control characters in fields and messages are escaped, so that what a client sends cannot forge a line.
 */
export function stderrLogger({ level = 'info', stream = process.stderr }: StderrLoggerOptions = {}): Logger {
  return new LineLogger(severities[level], stream);
}

const severities = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
  silent: Number.POSITIVE_INFINITY,
} as const;

class LineLogger extends Logger {
  readonly #lowest: number;
  readonly #stream: { write(text: string): unknown };

  constructor(lowest: number, stream: { write(text: string): unknown }) {
    super();
    this.#lowest = lowest;
    this.#stream = stream;
  }

  override trace(fields: object | string, message?: string): void {
    this.#write('trace', fields, message);
  }

  override debug(fields: object | string, message?: string): void {
    this.#write('debug', fields, message);
  }

  override info(fields: object | string, message?: string): void {
    this.#write('info', fields, message);
  }

  override warn(fields: object | string, message?: string): void {
    this.#write('warn', fields, message);
  }

  override error(fields: object | string, message?: string): void {
    this.#write('error', fields, message);
  }

  override fatal(fields: object | string, message?: string): void {
    this.#write('fatal', fields, message);
  }

  #write(level: Exclude<LogLevel, 'silent'>, fields: object | string, message: string | undefined): void {
    if (severities[level] < this.#lowest) return;
    this.#stream.write(formatEvent(new Date(), level, fields, message));
  }
}

/** One event as text, the final line break included. */
function formatEvent(time: Date, level: string, fields: object | string, message: string | undefined): string {
  const head = `${time.toISOString()} ${level.toUpperCase().padEnd(5)}`;
  if (typeof fields === 'string') return `${head} ${escapeControls(fields)}\n`;
  if (fields instanceof Error) return formatEvent(time, level, { error: fields }, message ?? fields.message);

  let line = message === undefined ? head : `${head} ${escapeControls(message)}`;
  let stacks = '';
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (value instanceof Error) {
      line += ` ${key}=${formatText(value.message)}`;
      stacks += indent(inspectSafely(value));
    } else {
      line += ` ${key}=${typeof value === 'string' ? formatText(value) : escapeControls(inspectSafely(value))}`;
    }
  }
  return `${line}\n${stacks}`;
}

/** Quoted only where a reader could not tell where the value ends. */
function formatText(text: string): string {
  return text !== '' && !/[\s"'=\p{Cc}]/u.test(text) ? text : escapeControls(JSON.stringify(text));
}

// Control characters (C1 too, which some terminals obey), the line breaks of Unicode, and what reverses the direction of text.
const hidden = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

function escapeControls(text: string): string {
  return text.replace(hidden, (character) => {
    if (character === '\n') return '\\n';
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
  });
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${escapeControls(line)}\n`)
    .join('');
}

// Logging must not throw, and an object that is logged may bring an inspection method of its own that does.
function inspectSafely(value: unknown): string {
  try {
    return inspect(value, { depth: 3, breakLength: Number.POSITIVE_INFINITY });
  } catch (error) {
    return `[cannot be shown: ${error}]`;
  }
}

class SilentLogger extends Logger {
  override trace(): void {}
  override debug(): void {}
  override info(): void {}
  override warn(): void {}
  override error(): void {}
  override fatal(): void {}
}

/** A logger that writes nothing. */
export const silentLogger: Logger = new SilentLogger();
