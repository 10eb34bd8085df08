import { expect, it } from 'vitest';
import { CapturedLogger, troublesOf } from './captured-logger.js';

it('keeps level, fields and message of each event', () => {
  const logger = new CapturedLogger();
  logger.info('plain');
  logger.warn({ port: 1 }, 'with fields');
  logger.error({ port: 2 });
  const error = new Error('boom');
  logger.fatal(error);
  expect(logger.entries).toEqual([
    { level: 'info', fields: {}, message: 'plain' },
    { level: 'warn', fields: { port: 1 }, message: 'with fields' },
    { level: 'error', fields: { port: 2 }, message: '' },
    { level: 'fatal', fields: { error }, message: 'boom' },
  ]);
});

it('passes each event on as it came', () => {
  const next = new CapturedLogger();
  const logger = new CapturedLogger(next);
  logger.trace('plain');
  logger.debug({ port: 1 }, 'with fields');
  expect(next.entries).toEqual(logger.entries);
  expect(next.entries).toHaveLength(2);
});

it('tells the troubles, with the stacks of their errors', () => {
  const logger = new CapturedLogger();
  logger.info('fine');
  logger.warn('hm');
  logger.error({ error: new TypeError('boom') }, 'a hook failed');
  logger.info({ connection: 1, error: 'a line is longer than 10 bytes' }, 'connection failed');
  const [warning, error, ofTheClient, ...rest] = troublesOf(logger.entries);
  expect(warning).toBe('warn: hm');
  expect(error).toMatch(/^error: a hook failed\nTypeError: boom\n {4}at /);
  expect(ofTheClient).toBe('info: connection failed: a line is longer than 10 bytes');
  expect(rest).toEqual([]);
});
