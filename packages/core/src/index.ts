// The public surface of @reagent/core, and nothing else.

export { Application, type WorkerIdentity } from './application/application.js';
export { bootstrap, start } from './application/bootstrap.js';
export type { BootstrapOptions } from './application/bootstrap-options.js';
export type { DescriptorOverrides } from './application/descriptors.js';
export { ByteQueue } from './codec/byte-queue.js';
export { bytes } from './codec/bytes.js';
export type { ByteSink, Codec, Decoder, MessageOf, OutgoingOf } from './codec/codec.js';
export { type DelimitedOptions, delimited } from './codec/delimited.js';
export { fixed } from './codec/fixed.js';
export { FramedCodec, type Payload } from './codec/framed-codec.js';
export { json } from './codec/json.js';
export { type LengthPrefixedOptions, lengthPrefixed } from './codec/length-prefixed.js';
export { type LineEncoding, type LinesOptions, lines } from './codec/lines.js';
export type { Schema, SchemaIssue, SchemaResult } from './codec/standard-schema.js';
export { type TextEncoding, text } from './codec/text.js';
export {
  type CloseKind,
  type CloseReason,
  Connection,
  type Outgoing,
  type PeerCertificate,
  type RecvLengthOptions,
  type RecvOptions,
  type RecvUntilOptions,
  type SendFileOptions,
  type SocketOptions,
} from './connection/connection.js';
export type { Environment } from './connection/environment.js';
export type {
  AcceptHook,
  CloseHook,
  ConnectionHook,
  DataHook,
  ErrorHook,
  HookResult,
  Owner,
  ShutdownHook,
  TimeoutHook,
} from './decorators/hooks.js';
export type { Constructor, Token } from './decorators/metadata.js';
export {
  type DynamicModule,
  Module,
  type ModuleDefinition,
  type ModuleImport,
  type Provider,
  type ProviderProcess,
} from './decorators/module.js';
export { OnAccept } from './decorators/on-accept.js';
export { OnClose } from './decorators/on-close.js';
export { OnConnection } from './decorators/on-connection.js';
export { OnData } from './decorators/on-data.js';
export { OnError } from './decorators/on-error.js';
export { OnShutdown } from './decorators/on-shutdown.js';
export { OnTimeout } from './decorators/on-timeout.js';
export { type DescriptorSource, Reagent, reagentOf } from './decorators/reagent.js';
export { singleton } from './decorators/singleton.js';
export type {
  AcceptRate,
  Alarm,
  Descriptor,
  DescriptorInput,
  Scope,
  TimeoutOptions,
  Timeouts,
} from './descriptor/descriptor.js';
export {
  ConfigurationError,
  ConnectionClosedError,
  FrameTooLongError,
  InvalidMessageError,
  ListenError,
  type MessageIssue,
  type Problem,
  ProfileError,
  ProviderError,
  ReagentError,
  StateError,
  TimeoutError,
  type TimeoutStep,
  TlsError,
  type TlsFailure,
  UnexpectedEndError,
} from './errors.js';
export { Incoming } from './listener/incoming.js';
export { Listener, type ListenerStatus, type StopOptions, type WaitOptions } from './listener/listener.js';
export {
  type AlarmEvent,
  type CertificatesEvent,
  type ChannelMessages,
  type CloseEvent,
  channelNames,
  type ErrorEvent,
  type HandshakeEvent,
  type HookEvent,
  type ListenerEvent,
  type OpenEvent,
  type RejectedEvent,
  type WorkerEvent,
} from './telemetry/channels.js';
export { Logger, type LogLevel, type StderrLoggerOptions, silentLogger, stderrLogger } from './telemetry/logger.js';
export { type Profile, type ProfileOptions, startProfile } from './telemetry/profiler.js';
export {
  type AcceptMode,
  type ApplicationStatistics,
  emptyStatistics,
  type HandshakeFailure,
  type ListenerStatistics,
  type RejectReason,
  type TlsStatistics,
  type WorkerStatistics,
  type WorkerStatus,
  type WorkersStatistics,
} from './telemetry/statistics.js';
export type { Endpoint } from './transport/endpoint.js';
export {
  type ProxyHeader,
  type ProxyTls,
  type ProxyTlv,
  proxyTlsTlvTypes,
  proxyTlvTypes,
} from './transport/proxy-protocol/proxy-header.js';
export { ProxyHeaderError } from './transport/proxy-protocol/proxy-header-error.js';
export {
  type ProxyEndpoint,
  type ProxyHeaderOptions,
  proxyHeader,
} from './transport/proxy-protocol/write-proxy-header.js';
export type { PemSource, ServerNameOptions, TlsIdentity, TlsOptions, TlsVersion } from './transport/tls/tls-options.js';
export * from './tsyringe.js';
export type { WorkersInput, WorkersOptions } from './workers/workers-options.js';
