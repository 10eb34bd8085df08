import type { Connection } from '@reagent/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Visit } from './visit.js';

const close = vi.fn();
const connection = { close } as unknown as Connection;

beforeEach(() => {
  vi.useFakeTimers();
  close.mockClear();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('a visit', () => {
  it('ends when no whole request has come for ten seconds', () => {
    new Visit(connection);
    vi.advanceTimersByTime(9_999);
    expect(close).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(close).toHaveBeenCalledTimes(1);
  });

  it('goes on while an answer is being made', () => {
    const visit = new Visit(connection);
    visit.requested();
    vi.advanceTimersByTime(1_000_000);
    expect(close).not.toHaveBeenCalled();
  });

  it('goes on until the next scrape, and ends when there is none', () => {
    const visit = new Visit(connection);
    visit.requested();
    visit.requested();
    visit.answered();
    vi.advanceTimersByTime(1_000_000);
    visit.answered();
    vi.advanceTimersByTime(60_000);
    expect(close).not.toHaveBeenCalled();
    vi.advanceTimersByTime(15_000);
    expect(close).toHaveBeenCalledTimes(1);
  });

  it('ends at once when told to finish between two answers', () => {
    const visit = new Visit(connection);
    visit.requested();
    visit.answered();
    visit.finish();
    expect(close).toHaveBeenCalledTimes(1);
  });

  it('ends behind the last answer when told to finish before it', () => {
    const visit = new Visit(connection);
    visit.requested();
    visit.requested();
    visit.finish();
    expect(visit.isLast).toBe(true);
    visit.answered();
    expect(close).not.toHaveBeenCalled();
    visit.answered();
    expect(close).toHaveBeenCalledTimes(1);
  });

  it('leaves no timer when it is over', () => {
    new Visit(connection).dispose();
    expect(vi.getTimerCount()).toBe(0);
  });
});
