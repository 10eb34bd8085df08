// What a listener is told about TLS.

/**
 * A certificate, a chain of them, or a private key: PEM text, bytes, or the path of a file.
 *
 * Text is PEM if it contains `-----BEGIN `, and the path of a file otherwise; a relative path begins at the working directory.
 */
export type PemSource = string | Uint8Array;

/** A version of TLS. `'TLSv1'` and `'TLSv1.1'` are broken; they are there for devices that cannot be replaced. */
export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** A certificate with its private key: `cert` and `key`, or both of them in one `pfx`. */
export interface TlsIdentity {
  /** The certificate, followed by those that lead from it to a root, each issued by the next. The root itself may be left out. */
  readonly cert?: PemSource | undefined;
  /** The private key of the certificate. */
  readonly key?: PemSource | undefined;
  /** What decrypts `key` or `pfx`, if it is encrypted. */
  readonly passphrase?: string | undefined;
  /** A PKCS#12 archive of a certificate, its chain and its key, instead of `cert` and `key`: the path of a file, or bytes. */
  readonly pfx?: string | Uint8Array | undefined;
}

/** What is shown to clients that ask for one host name. */
export interface ServerNameOptions extends TlsIdentity {}

/**
 * TLS on a listener: `@Reagent({ port: 8443, secure: { cert: 'server.crt', key: 'server.key' } })`.
 *
 * Required is a certificate with its key: as `cert` and `key`, as `pfx`, or for certain host names only in `sni`. All that is named is
 * read and checked before a port is bound; whatever is wrong is a problem of the `ConfigurationError` that says where and what to do.
 *
 * What the client offers is never trusted to be safe: it cannot renegotiate, and of the ciphers that both sides know the server's first
 * is taken.
 *
 * @example
 * ```ts
 * @Reagent({
 *   port: 8443,
 *   secure: {
 *     cert: '/etc/letsencrypt/live/example.com/fullchain.pem',
 *     key: '/etc/letsencrypt/live/example.com/privkey.pem',
 *     sni: { '*.example.org': { cert: 'org.crt', key: 'org.key' } },
 *     watch: true,
 *   },
 * })
 * class Echo {}
 * ```
 */
export interface TlsOptions extends TlsIdentity {
  /**
   * Certificates of authorities: those that may vouch for clients, with `requestCert`; they also complete the chain of `cert`.
   * Default: with `requestCert` the public authorities that Node.js knows, else none.
   */
  readonly ca?: PemSource | readonly PemSource[] | undefined;
  /** Asks each client for a certificate. Default: `false`. */
  readonly requestCert?: boolean | undefined;
  /**
   * Refuses clients whose certificate is missing or not vouched for by `ca`; `false` leaves that to the reagent, which finds out by
   * `conn.peerCertificate()`. Only with `requestCert`. Default: `true`.
   */
  readonly rejectUnauthorized?: boolean | undefined;
  /**
   * Protocols that are spoken here, such as `['h2', 'http/1.1']`, the preferred first: each 1 to 255 bytes. A client that offers others
   * only is refused; one that offers none is served. Default: none, and what clients offer is ignored.
   */
  readonly alpn?: readonly string[] | undefined;
  /**
   * Certificates by the host name that a client asks for: `{ 'example.com': …, '*.example.com': … }`. An exact name wins; a wildcard
   * stands for one label. All other options are common to all names.
   *
   * Who asks for another name, or for none, is shown `cert` or `pfx`; without these the handshake is refused. Before version 24, Node.js
   * may show them instead of a certificate from here whose key is of another kind (RSA or elliptic curve). Default: none.
   */
  readonly sni?: Readonly<Record<string, ServerNameOptions>> | undefined;
  /**
   * Ciphers in OpenSSL's notation, the preferred first. Names that begin with `TLS_` are for TLS 1.3, the others for older versions.
   * Default: those of Node.js (`tls.DEFAULT_CIPHERS`).
   */
  readonly ciphers?: string | undefined;
  /**
   * The oldest version of TLS that is spoken. Default: `'TLSv1.2'`.
   *
   * `'TLSv1'` and `'TLSv1.1'` have to be written out, and OpenSSL speaks them only where `ciphers` ends with `'@SECLEVEL=0'`, such as
   * `'DEFAULT:@SECLEVEL=0'`, which allows weak keys and signatures to all other clients too.
   */
  readonly minVersion?: TlsVersion | undefined;
  /** The newest version of TLS that is spoken. Default: `'TLSv1.3'`. */
  readonly maxVersion?: TlsVersion | undefined;
  /**
   * 48 secret bytes that encrypt session tickets. Processes that share them resume each other's sessions, and sessions survive a
   * restart and a reload of certificates; change them daily. Default: random ones.
   */
  readonly ticketKeys?: Uint8Array | undefined;
  /** How long a session may be resumed, in seconds; an integer of 1 or more. Default: 7 200. */
  readonly sessionTimeout?: number | undefined;
  /**
   * Looks once a second whether a file has changed, and reloads the certificates then. What is wrong with the new ones is logged, and
   * the old ones stay. Default: `false`: they are reloaded by `listener.reloadCertificates()`, `app.reload()` and SIGHUP.
   */
  readonly watch?: boolean | undefined;
}
