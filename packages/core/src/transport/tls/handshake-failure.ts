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
  [/(PACKET|DATA)_LENGTH_TOO_LONG|RECORD_TOO_SMALL|UNEXPECTED_MESSAGE|BAD_PROTOCOL_VERSION_NUMBER/, 'notTls'],
  [/_ALERT_/, 'refused'],
  [/^ECONN|^EPIPE$|^ETIMEDOUT$|UNEXPECTED_EOF/, 'client'],
];

/** The host name that a client has asked for; empty if none. */
export function nameAskedFor(socket: TLSSocket): string {
  return (socket as { readonly servername?: string | false | null }).servername || '';
}

/**
 * The error of a handshake that failed: what OpenSSL or the system said is its `cause`.
 *
 * @param hasCertificate whether there was a certificate to show for the name asked for
 */
export function handshakeError(
  cause: Error & { readonly code?: string },
  socket: TLSSocket,
  hasCertificate: boolean,
): TlsError {
  // Set where the client's certificate was refused; node:tls then tells of a socket that hung up.
  const refusal = socket.authorizationError as Error | string | null;
  if (refusal !== null && refusal !== undefined) return new TlsError('certificate', { cause, detail: String(refusal) });
  const code = cause.code ?? '';
  const failure = signs.find(([sign]) => sign.test(code))?.[1] ?? 'other';
  // Without a certificate, there is no cipher that could be used.
  if (failure === 'cipher' && !hasCertificate)
    return new TlsError('serverName', { cause, detail: nameAskedFor(socket) || 'it names none' });
  return new TlsError(failure, { cause, detail: failure === 'client' ? undefined : code });
}
