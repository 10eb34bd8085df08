import type { Application } from '@reagent/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Recorder } from './recorder.js';

const stats = vi.fn(() => ({ listeners: {}, connections: { active: 0, waiting: 0, accepted: 0 } }));
const application = { listeners: [], stats } as unknown as Application;
let recorder: Recorder;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'], now: 1_000_000 });
  stats.mockClear();
  recorder = new Recorder(application, () => undefined);
});

afterEach(() => {
  recorder.dispose();
  vi.useRealTimers();
});

describe('the recorder', () => {
  it('has a first sample from the beginning', () => {
    expect(recorder.since(0)).toMatchObject([{ time: 1_000_000, listeners: {} }]);
  });

  it('looks every five seconds while nobody else does', () => {
    vi.advanceTimersByTime(60_000);
    expect(stats).toHaveBeenCalledTimes(1 + 12);
  });

  it('does not look twice within a second because somebody asks', () => {
    vi.advanceTimersByTime(300);
    expect(recorder.since(0)).toHaveLength(1);
    vi.advanceTimersByTime(700);
    expect(recorder.since(0).map(({ time }) => time)).toEqual([1_000_000, 1_001_000]);
  });

  it('looks at once when somebody asks, and then every second as long as they do', () => {
    vi.advanceTimersByTime(7_000);
    stats.mockClear();
    expect(recorder.since(0).at(-1)?.time).toBe(1_007_000);
    for (let second = 0; second < 10; second++) {
      vi.advanceTimersByTime(1_000);
      recorder.since(0);
    }
    expect(stats).toHaveBeenCalledTimes(1 + 10);
    vi.advanceTimersByTime(15_000);
    stats.mockClear();
    vi.advanceTimersByTime(30_000);
    expect(stats).toHaveBeenCalledTimes(6);
  });

  it('gives those who come again only what is new', () => {
    vi.advanceTimersByTime(20_000);
    const before = recorder.since(0);
    vi.advanceTimersByTime(3_000);
    const after = recorder.since(before.at(-1)?.time ?? 0);
    expect(after.map(({ time }) => time)).toEqual([1_021_000, 1_022_000, 1_023_000]);
  });

  it('keeps five minutes', () => {
    for (let minute = 0; minute < 10; minute++) {
      vi.advanceTimersByTime(60_000);
      recorder.since(0);
    }
    const times = recorder.since(0).map(({ time }) => time);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThan(300_000);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(290_000);
  });

  it('leaves no timer when it is disposed', () => {
    recorder.dispose();
    expect(vi.getTimerCount()).toBe(0);
  });
});
