import { describe, expect, test } from 'vitest';
import { Logger, type LogLevel, silentLogger, stderrLogger } from './logger.js';

/** A logger, and what it has written so far, with the times replaced. */
function capture(level: LogLevel = 'info') {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text) };
  const log = stderrLogger({ stream, level });
  return { log, text: () => written.join('').replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /gm, 'TIME ') };
}

describe('the default logger', () => {
  test('writes one line an event: time, level, message, fields', () => {
    const { log, text } = capture();
    log.info({ listener: 'Echo', port: 8080, secure: false, missing: undefined }, 'listening');
    log.warn('careful');
    expect(text()).toBe('TIME INFO  listening listener=Echo port=8080 secure=false\nTIME WARN  careful\n');
  });

  test('writes from level info on unless told otherwise', () => {
    const written: string[] = [];
    const log = stderrLogger({ stream: { write: (text) => written.push(text) } });
    for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) log[level](level);
    expect(written.map((line) => line.trimEnd().split(' ').at(-1))).toEqual(['info', 'warn', 'error', 'fatal']);
  });

  test('writes what the level lets through', () => {
    const debug = capture('debug');
    debug.log.trace('no');
    debug.log.debug('yes');
    expect(debug.text()).toBe('TIME DEBUG yes\n');

    const silent = capture('silent');
    silent.log.fatal('no');
    expect(silent.text()).toBe('');
  });

  test('shows the stack and the cause of an error below the line', () => {
    const { log, text } = capture();
    log.error({ error: new Error('outer', { cause: new TypeError('inner') }), connection: 3 }, 'a hook failed');
    const [line, ...stack] = text().trimEnd().split('\n');
    expect(line).toBe('TIME ERROR a hook failed error=outer connection=3');
    expect(stack[0]).toBe('    Error: outer');
    expect(stack.every((one) => one.startsWith('    '))).toBe(true);
    expect(stack.join('\n')).toContain('TypeError: inner');
    expect(stack.join('\n')).toContain('logger.test.ts');
  });

  test('takes an error for the fields, as pino does', () => {
    const { log, text } = capture();
    log.error(new Error('boom'));
    expect(text()).toMatch(/^TIME ERROR boom error=boom\n {4}Error: boom\n/);
  });

  test('quotes text that would not be told from what follows', () => {
    const { log, text } = capture();
    log.info({ a: 'two words', b: '', c: 'x=y', d: 'plain' });
    expect(text()).toBe('TIME INFO  a="two words" b="" c="x=y" d=plain\n');
  });

  test.each(['\n', '\r', '\u001b[31m', '\u0085', '\u2028', '\u202e'])(
    'lets no client forge a line or colour it with %j',
    (control) => {
      const { log, text } = capture();
      const hostile = `x${control}2026 ERROR forged`;
      log.info({ name: hostile, nested: { hostile } }, hostile);
      log.info({ error: new Error(hostile) });
      const lines = text()
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('    '));
      expect(lines).toHaveLength(2);
      expect(text().replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u2028\u202e]/u);
    },
  );

  test('does not throw for a value that cannot be shown', () => {
    const { log, text } = capture();
    const value = {
      [Symbol.for('nodejs.util.inspect.custom')]: () => {
        throw new Error('no');
      },
    };
    log.info({ value }, 'still here');
    expect(text()).toBe('TIME INFO  still here value=[cannot be shown: Error: no]\n');
  });

  test('is a Logger', () => {
    expect(stderrLogger()).toBeInstanceOf(Logger);
    expect(silentLogger).toBeInstanceOf(Logger);
  });
});

test('an object with the methods of pino is a Logger to the compiler', () => {
  interface Write {
    <T extends object>(fields: T, message?: string, ...rest: unknown[]): void;
    (message: string, ...rest: unknown[]): void;
  }
  const write: Write = () => {};
  const pino = { trace: write, debug: write, info: write, warn: write, error: write, fatal: write, level: 'info' };
  const log: Logger = pino;
  log.info({ a: 1 }, 'message');
  silentLogger.info({ a: 1 }, 'nothing');
});
