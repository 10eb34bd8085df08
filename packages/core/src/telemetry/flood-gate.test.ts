import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FloodGate } from './flood-gate.js';
import { Logger } from './logger.js';

const lines: [message: string | undefined, fields: object][] = [];

class NotingLogger extends Logger {
  override trace(): void {}
  override debug(): void {}
  override info(fields: object | string, message?: string): void {
    lines.push([message, fields as object]);
  }
  override warn(): void {}
  override error(): void {}
  override fatal(): void {}
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
    gate.info('refused', () => ({ second }));
    vi.advanceTimersByTime(1_001);
  }
  expect(lines).toHaveLength(60);
  expect(lines[3]).toEqual(['refused', { listener: 'Echo', second: 3 }]);
});

it('writes ten lines of a flood, and then how many more there were', () => {
  const gate = new FloodGate(new NotingLogger(), { listener: 'Echo' });
  const fields = vi.fn(() => ({}));
  for (let client = 0; client < 1_000; client++) gate.info('refused', fields);
  gate.info('something else', () => ({}));
  expect(lines.map(([message]) => message)).toEqual([...Array<string>(10).fill('refused'), 'something else']);
  expect(fields).toHaveBeenCalledTimes(10);
  vi.advanceTimersByTime(10_000);
  expect(lines.at(-1)).toEqual(['refused, and more of the kind', { listener: 'Echo', more: 990 }]);
  expect(lines).toHaveLength(12);
  gate.info('refused', fields);
  expect(lines).toHaveLength(13);
});

it('tells at its end what it has held back', () => {
  const gate = new FloodGate(new NotingLogger(), {});
  for (let client = 0; client < 12; client++) gate.info('refused', () => ({}));
  gate.close();
  expect(lines.at(-1)).toEqual(['refused, and more of the kind', { more: 2 }]);
  expect(vi.getTimerCount()).toBe(0);
});
