import { expect, it } from 'vitest';
import { releaseCalls } from './release-calls.js';

it('asks errors and their causes for their stacks, each once', () => {
  const asked: string[] = [];
  const watched = (name: string, cause?: Error) =>
    Object.defineProperty(new Error(name, { cause }), 'stack', { get: () => asked.push(name) });
  const first = watched('first');
  const last = watched('last', watched('middle', first));
  first.cause = last;
  releaseCalls(['no error', undefined, last, last]);
  expect(asked).toEqual(['last', 'middle', 'first']);
});
