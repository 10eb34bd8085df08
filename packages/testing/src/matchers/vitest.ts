// Matchers for vitest, added to its `expect` by `import '@reagent/testing/vitest'`.

import { expect } from 'vitest';
import type { TimeLimit } from '../client/test-client-options.js';
import {
  type ClosedBy,
  type MatchedClient,
  toBeClosedBy,
  toBeOpen,
  toHaveReceived,
  toHaveReceivedNothing,
} from './client-matchers.js';

export type { ClosedBy } from './client-matchers.js';

/** A matcher that the compiler refuses on anything but a client. */
type OnClient<T, Matcher> = T extends MatchedClient ? Matcher : never;

/**
 * What `expect(client)` has besides. To be awaited, but for `toHaveReceivedNothing`.
 *
 * A matcher waits for what it says, and no longer than the client's calls do; with `.not` it looks at how things are now.
 *
 * @example
 * ```ts
 * import '@reagent/testing/vitest';
 * import { TestClient } from '@reagent/testing';
 * import { expect, it } from 'vitest';
 *
 * it('says hello and leaves', async () => {
 *   await using client = await TestClient.connect({ port: 8080 });
 *   await expect(client).toHaveReceived('hello\n');
 *   await expect(client).toBeClosedBy('server');
 *   await expect(client).not.toHaveReceived(/error/);
 * });
 * ```
 */
export interface ClientMatchers<T> {
  /**
   * The next that arrives is exactly this, or holds a match: `client.receive(expected)`, which takes it from what the next call gets,
   * and whose error is the message. With `.not`: it is nowhere in what has arrived so far, taken or not.
   */
  toHaveReceived: OnClient<T, (expected: string | Uint8Array | RegExp, options?: TimeLimit) => Promise<void>>;
  /** Not one byte has arrived so far. */
  toHaveReceivedNothing: OnClient<T, () => void>;
  /** The connection comes to its end, and this is how. */
  toBeClosedBy: OnClient<T, (by: ClosedBy, options?: TimeLimit) => Promise<void>>;
  /** Neither side has closed the connection so far. */
  toBeOpen: OnClient<T, () => Promise<void>>;
}

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: the parameter and its default have to be those of vitest's own declaration.
  interface Matchers<T = any> extends ClientMatchers<T> {}
}

expect.extend({ toHaveReceived, toHaveReceivedNothing, toBeClosedBy, toBeOpen });
