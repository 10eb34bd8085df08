// The public surface of @reagent/testing, and nothing else.

export type { LogEntry } from './captured-logger.js';
export {
  type ClosedHow,
  TestClient,
  type TestClientOptions,
  type TestClientTarget,
  type TimeLimit,
} from './client/test-client.js';
export { TestClientError } from './client/test-client-error.js';
export {
  createTestApp,
  type Fake,
  type Override,
  type TestAppBuilder,
  type TestAppOptions,
} from './create-test-app.js';
export { type ConnectOptions, TestApp } from './test-app.js';
