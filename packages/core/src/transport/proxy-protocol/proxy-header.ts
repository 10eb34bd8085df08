// What a PROXY header says. A balancer puts one in front of each connection that it passes on, since the connection itself would show
// the balancer's address only.

import type { Endpoint } from '../endpoint.js';

/**
 * Who is at the other end of a connection that came through a balancer, in the balancer's words: `conn.proxy`.
 *
 * What only version 2 of the protocol can tell is `undefined`, or empty, with version 1.
 */
export interface ProxyHeader {
  readonly version: 1 | 2;
  /** `'local'`: the balancer speaks for itself, to see whether the server is well. There is no client then, and no ends but the socket's own. */
  readonly command: 'proxy' | 'local';
  /** How the client reached the balancer: `'tcp'` is any stream, that of a Unix socket too, and `'udp'` any datagrams. */
  readonly transport: 'tcp' | 'udp' | 'unspecified';
  /** The client. `undefined` if the balancer does not know it (`UNKNOWN` in version 1) or speaks for itself: the socket's ends count then. */
  readonly source: Endpoint | undefined;
  /** What the client connected to: the balancer's public address. `undefined` where `source` is. */
  readonly destination: Endpoint | undefined;
  /** The protocol that client and balancer have agreed on, such as `'h2'`. */
  readonly alpn: string | undefined;
  /** The host name that the client asked for; in TLS the server name (SNI). */
  readonly authority: string | undefined;
  /** What the balancer calls this connection, up to 128 bytes: the same in its log. */
  readonly uniqueId: Buffer | undefined;
  /** The TLS connection between client and balancer. It is there as soon as the balancer reports on TLS: see `clientTls`. */
  readonly ssl: ProxyTls | undefined;
  /** The network namespace in which the balancer accepted the client. */
  readonly networkNamespace: string | undefined;
  /** All fields that follow the addresses, in order, known or not: clouds have some of their own, from 0xe0 on. */
  readonly tlvs: readonly ProxyTlv[];
}

/** One field of a PROXY header of version 2 as it was sent. */
export interface ProxyTlv {
  /** 0 to 255; the known ones are in `proxyTlvTypes`. */
  readonly type: number;
  readonly value: Buffer;
}

/** What a balancer says about the TLS connection that ends at it. */
export interface ProxyTls {
  /** Whether the client came over TLS. Balancers that report on TLS do so for a client without it too. */
  readonly clientTls: boolean;
  /** Whether the client presented a certificate in this connection. */
  readonly certificateConnection: boolean;
  /** Whether the client presented a certificate in the TLS session, which may have begun with an earlier connection. */
  readonly certificateSession: boolean;
  /**
   * Whether the client presented a certificate, now or earlier in the session, and the balancer found it valid. The number that is sent
   * for it is zero without a certificate too; that does not count as verified here.
   */
  readonly verified: boolean;
  /** Such as `'TLSv1.3'`. */
  readonly version: string | undefined;
  /** The common name (CN) in the client's certificate. Whether to believe it, `verified` says. */
  readonly commonName: string | undefined;
  /** Such as `'ECDHE-RSA-AES128-GCM-SHA256'`. */
  readonly cipher: string | undefined;
  /** What the balancer's certificate is signed with, such as `'RSA-SHA256'`. */
  readonly signatureAlgorithm: string | undefined;
  /** The key of the balancer's certificate, such as `'RSA2048'`. */
  readonly keyAlgorithm: string | undefined;
  /** What the keys were exchanged with, such as `'secp256r1'`. */
  readonly group: string | undefined;
  /** What the balancer signed the handshake with, such as `'rsa_pss_rsae_sha256'`. */
  readonly signatureScheme: string | undefined;
  /** The client's certificate, in DER: for `new X509Certificate()` of `node:crypto`. */
  readonly certificate: Buffer | undefined;
}

/** The types of the fields that may follow the addresses of a PROXY header of version 2. */
export const proxyTlvTypes = {
  alpn: 0x01,
  authority: 0x02,
  /** A checksum of the whole header. */
  crc32c: 0x03,
  /** Padding. */
  noop: 0x04,
  uniqueId: 0x05,
  ssl: 0x20,
  networkNamespace: 0x30,
  /** The first of the types that are free for applications: 0xe0 to 0xef. */
  firstCustom: 0xe0,
  lastCustom: 0xef,
} as const;

/** The types of the fields within that for TLS. */
export const proxyTlsTlvTypes = {
  version: 0x21,
  commonName: 0x22,
  cipher: 0x23,
  signatureAlgorithm: 0x24,
  keyAlgorithm: 0x25,
  group: 0x26,
  signatureScheme: 0x27,
  certificate: 0x28,
} as const;

/** What stands in a header that has none of the optional fields. */
export const NO_FIELDS: Pick<ProxyHeader, 'alpn' | 'authority' | 'uniqueId' | 'ssl' | 'networkNamespace' | 'tlvs'> =
  Object.freeze({
    alpn: undefined,
    authority: undefined,
    uniqueId: undefined,
    ssl: undefined,
    networkNamespace: undefined,
    tlvs: Object.freeze([]),
  });
