// Every error that reagent itself makes. Each has a `code` to branch on and a message that says what to do.

import type { CloseReason } from './connection/connection.js';

/** What all errors of reagent have in common: `error instanceof ReagentError` tells them from a handler's own. */
export class ReagentError extends Error {
  /** A stable identifier, such as `'ERR_REAGENT_TIMEOUT'`. Messages may change between versions, codes do not. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** One thing that is wrong with what the application is made of. */
export interface Problem {
  /** The class or module at fault. */
  readonly where: string;
  /** The field at fault, such as `'timeouts.idle'`; empty if the class as a whole is meant. */
  readonly path: string;
  /** What was expected, what was found, and what to do. */
  readonly message: string;
}

/**
 * The application cannot be built: a descriptor, a module, a hook or a provider is wrong. Nothing was started.
 *
 * All that is wrong is reported at once, one line a problem.
 *
 * @example
 * ```ts
 * try {
 *   await bootstrap(AppModule);
 * } catch (error) {
 *   if (error instanceof ConfigurationError) for (const problem of error.problems) console.error(problem.where, problem.message);
 * }
 * ```
 */
export class ConfigurationError extends ReagentError {
  /** Everything that is wrong, in the order in which it was found. */
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], options?: ErrorOptions) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    super('ERR_REAGENT_CONFIGURATION', [`${count} in the application:`, ...problems.map(describe)].join('\n'), options);
    this.problems = problems;
    // Its message has them all; printing the error is not to list them twice.
    Object.defineProperty(this, 'problems', { enumerable: false });
  }
}

function describe({ where, path, message }: Problem): string {
  return `  ${where}${path === '' ? '' : `, ${path}`}: ${message}`;
}

/** What to do about the system errors that binding a socket usually meets. */
const listenCures: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'something already listens there; stop it, choose another address, or let the system pick a port with port: 0',
  EACCES:
    'this process may not bind it; for a port, use 1024 or above or grant CAP_NET_BIND_SERVICE; for a path, see to the rights of its directory',
  EPERM:
    'this process may not bind it; for a port, use 1024 or above or grant CAP_NET_BIND_SERVICE; for a path, see to the rights of its directory',
  EADDRNOTAVAIL: 'no interface of this machine has that address; check host',
  EAFNOSUPPORT: 'this machine does not support that kind of address; check host (IPv6 may be off)',
  ENOTFOUND: 'the host name does not resolve; check host',
  ENOENT: 'the directory of the socket does not exist; create it first',
  ENOTSUP: 'this platform does not support that kind of listener; check fd and reusePort',
  EBADF: 'there is no such open descriptor in this process; check fd',
  EINVAL:
    'the system refuses that address or descriptor; check that fd is a listening socket, path has 107 bytes at most, and host is an address',
  ENOTSOCK: 'that descriptor is no socket; check fd',
  EMFILE: 'this process has no file descriptors left; raise its limit (ulimit -n)',
};

/** A listener could not bind its address. Whatever the application had already bound has been released. */
export class ListenError extends ReagentError {
  /** The name of the listener that could not bind. */
  readonly listener: string;
  /** What it tried to bind: `'127.0.0.1:8080'`, a socket's path, `'fd 3'`. */
  readonly address: string;

  /** `code` is that of `cause`, such as `'EADDRINUSE'`. */
  constructor(listener: string, address: string, cause: Error & { readonly code?: string }) {
    const code = cause.code ?? 'ERR_REAGENT_LISTEN';
    const cure = listenCures[code];
    super(
      code,
      `${listener} cannot listen on ${address}: ${cure === undefined ? cause.message : `${cure} (${code})`}`,
      { cause },
    );
    this.listener = listener;
    this.address = address;
  }
}

/** A provider or a reagent could not be made. Those made before it have been disposed. */
export class ProviderError extends ReagentError {
  /** What was to be made: the name of a class, or the token. */
  readonly token: string;
  /** The module that lists it; `undefined` for one that no module lists. */
  readonly module: string | undefined;
  /** Who asked for whom, the outermost first: `['Echo', 'UserStore', 'Database']`. */
  readonly chain: readonly string[];

  constructor(details: {
    token: string;
    module?: string | undefined;
    chain?: readonly string[];
    reason: string;
    cause?: unknown;
  }) {
    const { token, module, chain = [token], reason, cause } = details;
    const listed = module === undefined ? '' : ` of ${module}`;
    const asked = chain.length > 1 ? ` (${chain.join(' -> ')})` : '';
    super(
      'ERR_REAGENT_PROVIDER',
      `Cannot make ${token}${listed}${asked}: ${reason}`,
      cause === undefined ? undefined : { cause },
    );
    this.token = token;
    this.module = module;
    this.chain = chain;
  }
}

/** What took too long: a step of a connection's life, or a call with a time limit. */
export type TimeoutStep =
  | 'proxyHeader'
  | 'accept'
  | 'handshake'
  | 'idle'
  | 'wait'
  | 'send'
  | 'recv'
  | 'shutdown'
  | 'connections';

const timeoutSentences: Readonly<Record<TimeoutStep, string>> = {
  proxyHeader: 'no complete PROXY header arrived',
  accept: '@OnAccept did not finish',
  handshake: 'the TLS handshake did not finish',
  idle: 'nothing was received',
  wait: 'no place among the connections became free',
  send: 'the peer took none of the bytes that wait to be sent',
  recv: 'recv() did not get what it asked for',
  shutdown: 'the connection did not finish by itself',
  connections: 'the connections did not reach the state waited for',
};

/** A step of a connection's life, or a call with a time limit, took longer than allowed. */
export class TimeoutError extends ReagentError {
  /** What took too long. */
  readonly step: TimeoutStep;
  /** The limit that was exceeded, in milliseconds. */
  readonly timeout: number;

  constructor(step: TimeoutStep, timeout: number) {
    super('ERR_REAGENT_TIMEOUT', `${timeoutSentences[step]} within ${timeout} ms`);
    this.step = step;
    this.timeout = timeout;
  }
}

/** The connection closed while something waited for it, or is closed and can no longer do what was asked. */
export class ConnectionClosedError extends ReagentError {
  /** Why it closed; its `error`, if there is one, is the `cause` as well. */
  readonly reason: CloseReason;

  constructor(reason: CloseReason, message = `the connection is closed (${reason.kind})`) {
    super('ERR_REAGENT_CONNECTION_CLOSED', message, reason.error === undefined ? undefined : { cause: reason.error });
    this.reason = reason;
  }
}

/** The stream ended inside a message, or before as many bytes as `recv(n)` asked for. */
export class UnexpectedEndError extends ReagentError {
  /** How many bytes were needed; `undefined` if only the codec could tell. */
  readonly expected: number | undefined;
  /** How many of them had arrived. */
  readonly received: number;

  constructor(received: number, expected?: number) {
    const of = expected === undefined ? '' : ` of ${expected}`;
    super('ERR_REAGENT_UNEXPECTED_END', `the stream ended inside a message, after ${received}${of} bytes of it`);
    this.expected = expected;
    this.received = received;
  }
}

/** A frame is longer than its codec allows. The limit is the codec's `maxLength`. */
export class FrameTooLongError extends ReagentError {
  /** The codec's limit, in bytes. */
  readonly maxLength: number;

  constructor(maxLength: number) {
    super(
      'ERR_REAGENT_FRAME_TOO_LONG',
      `a frame is longer than the ${maxLength} bytes that the codec allows; raise its maxLength if that is intended`,
    );
    this.maxLength = maxLength;
  }
}

/** One reason why a message was refused, as a schema library such as zod reports it. */
export interface MessageIssue {
  /** Where in the message; empty for the message as a whole. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** A complete frame arrived, but it is no valid message. */
export class InvalidMessageError extends ReagentError {
  /** What is wrong with the message; the schema's issues where there is a schema. */
  readonly issues: readonly MessageIssue[];

  constructor(issues: readonly MessageIssue[], options?: ErrorOptions) {
    const lines = issues.map(({ path, message }) =>
      path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`,
    );
    super('ERR_REAGENT_INVALID_MESSAGE', `invalid message: ${lines.join('; ')}`, options);
    this.issues = issues;
  }
}

/**
 * Why TLS could not be set up with a client, or broke.
 *
 * - `client`: the client closed or reset the connection during the handshake.
 * - `version`: it speaks no TLS version that is allowed.
 * - `cipher`: no cipher, curve or signature algorithm in common.
 * - `serverName`: it asks for a host name for which there is no certificate, and there is none for all others.
 * - `alpn`: none of the protocols it offers is in `alpn`.
 * - `certificate`: it has shown no certificate where one is required, or one that `ca` does not vouch for.
 * - `refused`: it ended the handshake with an alert; it does not trust our certificate, most likely.
 * - `notTls`: what it sent is not TLS.
 * - `plaintext`: unencrypted bytes came between the command that asks for TLS and the handshake.
 * - `other`: anything else; the error's `cause` tells.
 */
export type TlsFailure =
  | 'client'
  | 'version'
  | 'cipher'
  | 'serverName'
  | 'alpn'
  | 'certificate'
  | 'refused'
  | 'notTls'
  | 'plaintext'
  | 'other';

const tlsSentences: Readonly<Record<TlsFailure, string>> = {
  client: 'the client closed the connection during the TLS handshake',
  version: 'the client speaks no TLS version that minVersion and maxVersion allow',
  cipher: 'the client and this server have no cipher, curve or signature algorithm in common',
  serverName: 'the client asks for a host name for which there is no certificate',
  alpn: 'the client offers none of the protocols in alpn',
  certificate: 'the client has shown no certificate that is accepted',
  refused: 'the client has refused the TLS handshake, most likely because it does not trust the certificate',
  notTls: 'the client does not speak TLS',
  plaintext:
    'the client sent unencrypted bytes after it had asked for TLS; they were dropped, since anyone could have injected them',
  other: 'TLS failed',
};

/** TLS could not be set up with a client, or broke. What OpenSSL said is the `cause`. */
export class TlsError extends ReagentError {
  readonly failure: TlsFailure;

  constructor(failure: TlsFailure, { cause, detail }: { cause?: unknown; detail?: string | undefined } = {}) {
    const message = tlsSentences[failure];
    super(
      'ERR_REAGENT_TLS',
      detail === undefined || detail === '' ? message : `${message} (${detail})`,
      cause === undefined ? undefined : { cause },
    );
    this.failure = failure;
  }
}

/** A call that the state of the application, listener or connection does not allow, such as two `recv()` at the same time. */
export class StateError extends ReagentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_REAGENT_STATE', message, options);
  }
}

/** A CPU profile cannot be recorded or written; the system's error is the `cause`. */
export class ProfileError extends ReagentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_REAGENT_PROFILE', message, options);
  }
}

// On the prototypes rather than on each error, so that the first line of a stack carries the name already.
for (const error of [
  ReagentError,
  ConfigurationError,
  ListenError,
  ProviderError,
  TimeoutError,
  ConnectionClosedError,
  UnexpectedEndError,
  FrameTooLongError,
  InvalidMessageError,
  TlsError,
  StateError,
  ProfileError,
]) {
  error.prototype.name = error.name;
}
