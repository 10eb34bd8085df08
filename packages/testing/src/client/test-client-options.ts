import type { SecureVersion } from 'node:tls';
import type { Codec, ProxyHeaderOptions } from '@reagent/core';

export const DEFAULT_TIMEOUT_MS = 2_000;

/** Where a `TestClient` connects to: a TCP port or the path of a Unix socket. */
export type TestClientTarget = { readonly port: number; readonly host?: string } | { readonly path: string };

export interface TestClientOptions<In = Buffer, Out = string | Uint8Array> {
  /** The time limit of each call, in ms, where the call gives none. Default: `testAppDefaults.timeout`, or else 2 000. */
  readonly timeout?: number;
  /** The address that the client connects from: 127.0.0.2, say, to be another host to a limit per IP. */
  readonly localAddress?: string;
  /**
   * What `send()` takes and `recv()` gives. It reads what the server sends and writes what the server reads: where these differ, it is
   * not the server's own codec, but its counterpart. Default: bytes as they come.
   */
  readonly codec?: Codec<In, Out>;
  /** Encrypts the connection with TLS. `true` takes any certificate. Default: `false`. */
  readonly secure?: boolean | TestClientTls;
  /**
   * A PROXY header that is sent before anything else: what `proxyHeader()` of @reagent/core takes, where `destination` may be left out
   * over TCP, or the bytes themselves. Default: none.
   */
  readonly proxy?: ProxyHeaderOptions | Uint8Array | string;
  /** What the server has logged as warnings and errors so far, to be shown in an error. */
  readonly serverErrors?: () => readonly string[];
}

/** How a client shakes hands. */
export interface TestClientTls {
  /** Authorities to trust, as PEM text. The server's certificate is checked if this is given. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** The client's own certificate, as PEM text. */
  readonly cert?: string | Uint8Array;
  readonly key?: string | Uint8Array;
  readonly passphrase?: string;
  /** The name to ask for (SNI), and that a certificate has to be for. Default: the host to which it connects. */
  readonly servername?: string;
  /** Protocols to offer, the best one first. */
  readonly alpn?: readonly string[];
  readonly ciphers?: string;
  /** `'TLSv1'` and `'TLSv1.1'` weaken the ciphers that are offered, as they have to. */
  readonly minVersion?: SecureVersion;
  readonly maxVersion?: SecureVersion;
  /** A session to resume: `client.session` or `client.nextSession()` of an earlier client. */
  readonly session?: Uint8Array;
  /** Whether a certificate that is not right ends the connection. Default: `true` if there is `ca`. */
  readonly rejectUnauthorized?: boolean;
}

export interface TimeLimit {
  /** In ms. Default: that of the client. */
  readonly timeout?: number;
}
