import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FloodGate } from './flood-gate.js';
import { Logger } from './logger.js';

const lines: [level: string, message: string | undefined, fields: object][] = [];

class NotingLogger extends Logger {
  override trace = note('trace');
  override debug = note('debug');
  override info = note('info');
  override warn = note('warn');
  override error = note('error');
  override fatal = note('fatal');
}

function note(level: string) {
  return (fields: object | string, message?: string): void => {
    lines.push([level, message, fields as object]);
  };
}

beforeEach(() => {
  lines.length = 0;
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('writes what comes now and then', () => {
  const gate = new FloodGate(new NotingLogger(), { listener: 'Echo' });
  for (let second = 0; second < 60; second++) {
    gate.write('info', 'refused', () => ({ second }));
    vi.advanceTimersByTime(1_001);
  }
  expect(lines).toHaveLength(60);
  expect(lines[3]).toEqual(['info', 'refused', { listener: 'Echo', second: 3 }]);
});

it('writes ten lines of a flood, and then how many more there were', () => {
  const gate = new FloodGate(new NotingLogger(), { listener: 'Echo' });
  const fields = vi.fn(() => ({}));
  for (let client = 0; client < 1_000; client++) gate.write('warn', 'refused', fields);
  gate.write('info', 'something else', () => ({}));
  expect(lines.map(([, message]) => message)).toEqual([...Array<string>(10).fill('refused'), 'something else']);
  expect(fields).toHaveBeenCalledTimes(10);
  vi.advanceTimersByTime(10_000);
  expect(lines.at(-1)).toEqual(['warn', 'refused, and more of the kind', { listener: 'Echo', more: 990 }]);
  expect(lines).toHaveLength(12);
  gate.write('warn', 'refused', fields);
  expect(lines).toHaveLength(13);
});

it('hides no error behind a flood of others', () => {
  const gate = new FloodGate(new NotingLogger(), {});
  const failed = (error: Error) => gate.writeError('error', 'failed', error, () => ({ connection: 1 }));
  for (let client = 0; client < 50; client++) failed(new RangeError(`of client ${client}`));
  const lost = Object.assign(new Error('no disk'), { code: 'ENOSPC' });
  failed(lost);
  expect(lines).toHaveLength(11);
  expect(lines.at(-1)).toEqual(['error', 'failed', { connection: 1, err: lost }]);
  gate.close();
  expect(lines.slice(11)).toEqual([['error', 'failed, and more of the kind', { code: 'RangeError', more: 40 }]]);
});

it('bounds what errors can write that are all of different kinds', () => {
  const gate = new FloodGate(new NotingLogger(), {});
  for (let client = 0; client < 10_000; client++) gate.write('info', 'failed', () => ({}), `E${client}`);
  expect(lines).toHaveLength(110);
  expect(vi.getTimerCount()).toBe(101);
  vi.advanceTimersByTime(10_000);
  expect(lines.at(-1)).toEqual(['info', 'failed, and more of the kind', { more: 9_890 }]);
  expect(vi.getTimerCount()).toBe(0);
});

it('tells at its end what it has held back', () => {
  const gate = new FloodGate(new NotingLogger(), {});
  for (let client = 0; client < 12; client++) gate.write('info', 'refused', () => ({}));
  gate.close();
  expect(lines.at(-1)).toEqual(['info', 'refused, and more of the kind', { more: 2 }]);
  expect(vi.getTimerCount()).toBe(0);
});
