import { describe, expect, it } from 'vitest';
import { Turns } from './turns.js';

describe('Turns', () => {
  it('gives each operation its turn when the one before has ended', async () => {
    const turns = new Turns();
    const journal: string[] = [];
    const first = turns.take(async () => {
      journal.push('first begins');
      await new Promise(setImmediate);
      journal.push('first ends');
      return 1;
    });
    const second = turns.take(async () => {
      journal.push('second');
      return 2;
    });
    expect(await Promise.all([second, first])).toEqual([2, 1]);
    expect(journal).toEqual(['first begins', 'first ends', 'second']);
  });

  it('tells of a failure whoever asked for what failed, and goes on', async () => {
    const turns = new Turns();
    const failing = turns.take(async () => {
      throw new Error('told to');
    });
    const next = turns.take(async () => 'next');
    await expect(failing).rejects.toThrow('told to');
    expect(await next).toBe('next');
  });
});
