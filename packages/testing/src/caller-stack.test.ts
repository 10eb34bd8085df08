import { expect, it } from 'vitest';
import { callerLine, thrownFrom } from './caller-stack.js';

const caller = Object.assign(new Error(), {
  stack: [
    'Error',
    '    at TestApp.stop (file:///home/me/app/node_modules/@reagent/testing/dist/test-app.js:10:20)',
    '    at TestApp.stop (C:\\app\\node_modules\\@reagent\\testing\\dist\\test-app.js:10:20)',
    '    at /project/packages/testing/src/client/test-client.ts:1:1',
    '    at /project/packages/testing/src/client/test-client.test.ts:2:2',
    '    at async answers (file:///home/me/app/testing/src/echo.ts:3:3)',
  ].join('\n'),
});

it('gives an error the lines of its caller, without those of this package', () => {
  const error = thrownFrom(caller, new RangeError('too much\nat all'));
  expect(error.stack).toBe(
    [
      'RangeError: too much',
      'at all',
      '    at /project/packages/testing/src/client/test-client.test.ts:2:2',
      '    at async answers (file:///home/me/app/testing/src/echo.ts:3:3)',
    ].join('\n'),
  );
});

it('finds the line of its caller', () => {
  expect(callerLine(caller)).toBe('at /project/packages/testing/src/client/test-client.test.ts:2:2');
  expect(callerLine(Object.assign(new Error(), { stack: 'Error' }))).toBe('');
});
