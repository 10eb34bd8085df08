export {
  type ClosedHow,
  TestClient,
  type TestClientOptions,
  type TestClientTarget,
  type TimeLimit,
} from './client/test-client.js';
export { TestClientError } from './client/test-client-error.js';
