// Why a handshake failed, from what OpenSSL and the system say about it.

import type { TLSSocket } from 'node:tls';
import { TlsError, type TlsFailure } from '../../errors.js';

/** Parts of OpenSSL's codes, in the order in which they are looked for. */
const signs: readonly (readonly [sign: RegExp, failure: TlsFailure])[] = [
  [/PEER_DID_NOT_RETURN_A_CERTIFICATE|CERTIFICATE_VERIFY_FAILED|CERT_LENGTH_MISMATCH/, 'certificate'],
  [/NO_APPLICATION_PROTOCOL/, 'alpn'],
  [/UNSUPPORTED_PROTOCOL|VERSION_TOO_(LOW|HIGH)|NO_PROTOCOLS_AVAILABLE|INAPPROPRIATE_FALLBACK/, 'version'],
  [/ALERT_PROTOCOL_VERSION/, 'version'],
  [/NO_SHARED_|NO_SUITABLE_|UNSUPPORTED_ELLIPTIC|NO_CIPHERS|ALERT_HANDSHAKE_FAILURE/, 'cipher'],
  [/HTTP_REQUEST|HTTPS_PROXY_REQUEST|WRONG_VERSION_NUMBER|BAD_RECORD_TYPE|UNKNOWN_PROTOCOL|NOT_SSL/, 'notTls'],
  [/PACKET_LENGTH_TOO_LONG|RECORD_TOO_SMALL|UNEXPECTED_MESSAGE|BAD_PROTOCOL_VERSION_NUMBER/, 'notTls'],
  [/_ALERT_/, 'refused'],
  [/^ECONN|^EPIPE$|^ETIMEDOUT$|UNEXPECTED_EOF/, 'client'],
];

/** The error of a handshake that failed: what OpenSSL or the system said is its `cause`. */
export function handshakeError(cause: Error & { readonly code?: string }, socket: TLSSocket): TlsError {
  // Set where the client's certificate was refused; node:tls then tells of a socket that hung up.
  const refusal = socket.authorizationError as Error | string | null;
  if (refusal !== null && refusal !== undefined) return new TlsError('certificate', { cause, detail: String(refusal) });
  const code = cause.code ?? '';
  const failure = signs.find(([sign]) => sign.test(code))?.[1] ?? 'other';
  return new TlsError(failure, { cause, detail: failure === 'client' ? undefined : code });
}
