import type { Logger } from '@reagent/core';
import type { Leftover } from './leftovers.js';
import type { Transport } from './placement.js';

/** Options that make sense for all tests of a project. */
export interface TestAppDefaults {
  allow: readonly Leftover[];
  logger?: Logger;
  sendLimit?: number;
  /** In ms. Clients that `TestClient.connect` makes take it too. */
  timeout?: number;
  transport?: Transport;
}

/** What test applications do where their own options do not say. To be set in a setup file, for all tests of a project. */
export const testAppDefaults: TestAppDefaults = { allow: [] };
