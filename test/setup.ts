import { testAppDefaults } from '@reagent/testing';
import { expect } from 'vitest';

const file = expect.getState().testPath ?? '';

// Some test files share a process: each begins with defaults of its own.
testAppDefaults.allow = [];
delete testAppDefaults.sendLimit;
delete testAppDefaults.timeout;

// As much as a busy machine may need, and less than each limit of the framework: none of them is to stand in for one that a test sets.
// The test kit is tested as its users find it.
if (!file.includes('/packages/testing/')) testAppDefaults.timeout = 4_000;

// What goes wrong on purpose is most of what these tests are about. And without a watch on timers, hooks are called without detour, as
// they are in production.
if (file.includes('/packages/core/test/')) {
  testAppDefaults.allow = ['errors', 'crashes', 'connections', 'timers'];
  testAppDefaults.sendLimit = Infinity;
}
