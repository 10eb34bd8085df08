// The public surface of @reagent/testing, and nothing else.

export { BackpressureError } from './backpressure-error.js';
export type { LogEntry } from './captured-logger.js';
export type { CertificateFiles, CertificatePaths } from './certificates/certificate-files.js';
export {
  type CertificateAndKey,
  type CertificateOptions,
  type Certificates,
  certificates,
} from './certificates/certificates.js';
export type { CertificateUsage } from './certificates/x509.js';
export type { ClientTransport } from './client/client-transport.js';
export {
  type ClosedHow,
  TestClient,
  type TestClientOptions,
  type TestClientTarget,
  type TestClientTls,
  type TimeLimit,
  type WithCodec,
} from './client/test-client.js';
export { TestClientError } from './client/test-client-error.js';
export type { Transcript, TranscriptEntry } from './client/transcript.js';
export {
  createTestApp,
  type Fake,
  type Override,
  type TestAppBuilder,
  type TestAppOptions,
} from './create-test-app.js';
export type { RecordedEvent } from './event-recorder.js';
export { clientHello } from './hostile/client-hello.js';
export { type DripOptions, drip } from './hostile/drip.js';
export { type EverySplitOptions, everySplit } from './hostile/every-split.js';
export { type Flood, type FloodCounts, type FloodOptions, flood } from './hostile/flood.js';
export { FloodError } from './hostile/flood-error.js';
export { halfClose } from './hostile/half-close.js';
export { type HalfProxyHeaderOptions, halfProxyHeader } from './hostile/half-proxy-header.js';
export { neverReads } from './hostile/never-reads.js';
export { type ResetMoment, resetAfter } from './hostile/reset-after.js';
export type { Split } from './hostile/split.js';
export { SplitError } from './hostile/split-error.js';
export { type StalledHandshakeOptions, stalledHandshake } from './hostile/stalled-handshake.js';
export type { HostileTarget } from './hostile/target.js';
export { LeakError } from './leak-error.js';
export { type Leftover, LeftoverError } from './leftovers.js';
export { decodeChunks, encodeMessages } from './mock/codec-alone.js';
export { type MockConnection, type MockConnectionOptions, mockConnection } from './mock/mock-connection.js';
export { type MockIncoming, type MockIncomingOptions, mockIncoming } from './mock/mock-incoming.js';
export { type MockListener, type MockListenerOptions, mockListener } from './mock/mock-listener.js';
export type { Transport } from './placement.js';
export type { BackpressureOptions } from './send-limit.js';
export { type ConnectOptions, TestApp } from './test-app.js';
export { type TestAppDefaults, testAppDefaults } from './test-app-defaults.js';
