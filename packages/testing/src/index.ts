// The public surface of @reagent/testing, and nothing else.

export type { LogEntry } from './captured-logger.js';
export type { CertificateFiles, CertificatePaths } from './certificates/certificate-files.js';
export {
  type CertificateAndKey,
  type CertificateOptions,
  type Certificates,
  certificates,
} from './certificates/certificates.js';
export type { CertificateUsage } from './certificates/x509.js';
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
