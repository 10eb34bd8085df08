import { expect } from 'vitest';

// What goes wrong on purpose is most of what these tests are about. And without a watch on timers, hooks are called without detour, as
// they are in production. Elsewhere nothing is loaded for it.
if (expect.getState().testPath?.includes('/packages/core/test/')) {
  const { testAppDefaults } = await import('@reagent/testing');
  testAppDefaults.allow = ['errors', 'crashes', 'connections', 'timers'];
  testAppDefaults.sendLimit = Infinity;
  // As much as a busy machine may need, and less than each limit of the framework: none of them is to stand in for one that a test sets.
  testAppDefaults.timeout = 4_000;
}
