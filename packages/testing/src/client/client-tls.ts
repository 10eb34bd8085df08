import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, DEFAULT_CIPHERS, type SecureVersion, type TLSSocket } from 'node:tls';
import type { TestClientTls } from './test-client-options.js';

/** What the two sides have agreed on in a handshake, and what the client thinks of the server's certificate. */
export interface Agreement {
  readonly tlsVersion: string | undefined;
  readonly alpnProtocol: string | undefined;
  readonly authorized: boolean;
  /** A code of OpenSSL or Node.js; `undefined` if the certificate is right. */
  readonly authorizationError: string | undefined;
  readonly peerCertificate: X509Certificate | undefined;
  readonly sessionReused: boolean;
}

const OLD_VERSIONS: readonly (SecureVersion | undefined)[] = ['TLSv1', 'TLSv1.1'];
/** What OpenSSL demands for versions as old as that. */
const OLD_CIPHERS = 'DEFAULT:@SECLEVEL=0';

/** Begins a handshake over a stream, which belongs to the socket that this gives from now on. */
export function shakeHands(stream: Duplex, host: string, options: TestClientTls): TLSSocket {
  const {
    ca,
    cert,
    key,
    passphrase,
    alpn,
    session,
    maxVersion,
    servername = isIP(host) === 0 ? host : undefined,
  } = options;
  const { minVersion = OLD_VERSIONS.includes(maxVersion) ? maxVersion : undefined } = options;
  const { ciphers = OLD_VERSIONS.includes(minVersion) ? OLD_CIPHERS : DEFAULT_CIPHERS } = options;
  return connect({
    socket: stream,
    host,
    servername,
    ca: ca === undefined ? undefined : [ca].flat().map(pem),
    cert: cert === undefined ? undefined : pem(cert),
    key: key === undefined ? undefined : pem(key),
    passphrase,
    ALPNProtocols: alpn === undefined ? undefined : [...alpn],
    ciphers,
    minVersion,
    maxVersion,
    session: session === undefined ? undefined : Buffer.from(session),
    rejectUnauthorized: options.rejectUnauthorized ?? ca !== undefined,
  });
}

/** What a handshake that is complete has come to. To be asked at once: a socket that has closed no longer knows. */
export function agreementOf(socket: TLSSocket): Agreement {
  return {
    tlsVersion: socket.getProtocol() ?? undefined,
    alpnProtocol: socket.alpnProtocol || undefined,
    authorized: socket.authorized,
    // Typed as an error, and a code in fact.
    authorizationError: socket.authorized ? undefined : String(socket.authorizationError),
    peerCertificate: socket.getPeerX509Certificate(),
    sessionReused: socket.isSessionReused(),
  };
}

/**
 * Whether TLS has failed, rather than the connection below: an alert of the server, bytes that are no TLS, or a certificate that is not
 * right. An error of the connection comes from a system call.
 */
export function isTlsFailure(error: NodeJS.ErrnoException): boolean {
  return error.syscall === undefined && error.code !== 'ECONNRESET' && !error.code?.startsWith('ERR_STREAM');
}

/** The connection ended in the middle of a handshake, with a FIN: Node.js calls it a reset, though no system call reported one. */
export function isEndOfHandshake(error: NodeJS.ErrnoException): boolean {
  return error.syscall === undefined && error.code === 'ECONNRESET';
}

function pem(source: string | Uint8Array): string | Buffer {
  return typeof source === 'string' ? source : Buffer.from(source);
}
