import { expect, it } from 'vitest';
import { TestClientError } from './test-client-error.js';

const failure = {
  expected: 'a line of text',
  problem: 'not within 2000 ms',
  pending: Buffer.alloc(0),
  receivedBytes: 0,
  connection: 'open; to 127.0.0.1:8080',
  transcript: [],
  serverErrors: [],
};

it('says so when nothing arrived', () => {
  expect(new TestClientError(failure).message).toBe(
    [
      'expected a line of text, but not within 2000 ms',
      '  arrived: nothing',
      '  connection: open; to 127.0.0.1:8080',
    ].join('\n'),
  );
});

it('shows what arrived as text and hex, and the errors of the server', () => {
  const error = new TestClientError({
    ...failure,
    pending: Buffer.from('hi\0'),
    receivedBytes: 10,
    serverErrors: ['error: a hook failed\nat Echo'],
  });
  expect(error.message).toBe(
    [
      'expected a line of text, but not within 2000 ms',
      '  arrived: 3 bytes (10 bytes in all)',
      '    text "hi\\u0000"',
      '    hex  68 69 00',
      '  connection: open; to 127.0.0.1:8080',
      '  the server logged:',
      '    error: a hook failed',
      '    at Echo',
    ].join('\n'),
  );
  expect(error.pending).toEqual(Buffer.from('hi\0'));
});

it('stays short when much arrived', () => {
  const error = new TestClientError({ ...failure, pending: Buffer.alloc(1_000_000, 'x'), receivedBytes: 1_000_000 });
  expect(error.message.length).toBeLessThan(1_000);
  expect(error.message).toContain('1000000 bytes');
});

it('shows the surroundings of the first wrong byte', () => {
  const pending = Buffer.concat([Buffer.alloc(5_000, 'a'), Buffer.from('WRONG')]);
  const error = new TestClientError({ ...failure, pending, receivedBytes: pending.length, mismatchAt: 5_000 });
  expect(error.message).toContain('at byte 5000');
  expect(error.message).toContain('aaaWRONG');
});

it('tells of what came in another order', () => {
  const pending = Buffer.from('two\none\n');
  const problem = 'something else arrived';
  const error = new TestClientError({ ...failure, pending, problem, receivedBytes: 8, mismatchAt: 0, laterAt: 4 });
  expect(error.message).toContain(
    'but something else arrived at byte 0; what was expected came after it, at byte 4\n  arrived: 8 bytes\n',
  );
});
