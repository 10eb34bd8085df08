import { requireBoolean, requireOneOf, requireOptions, shown } from '../../codec/codec-options.js';
import type { Endpoint } from '../endpoint.js';
import { ENDS_BYTES, FAMILY, PREFIX_BYTES, SIGNATURE, UNIX_PATH_BYTES } from './binary-header.js';
import { crc32c } from './crc32c.js';
import { addressBytes, addressText, IPV4_BYTES, mappedBytes } from './ip-address.js';
import { type ProxyTls, proxyTlsTlvTypes, proxyTlvTypes } from './proxy-header.js';
import {
  CERTIFICATE_CONNECTION,
  CERTIFICATE_SESSION,
  CHECKSUM_BYTES,
  CLIENT_TLS,
  TLS_HEADER_BYTES,
  TLV_HEADER_BYTES,
  UNIQUE_ID_MAX_BYTES,
} from './proxy-tlvs.js';

/** One end of the connection that a header is about. */
export interface ProxyEndpoint {
  /** An IP address, or the path of a Unix socket. */
  readonly address: string;
  /** 0 to 65535. A Unix socket has none: 0. */
  readonly port: number;
  /** Is found out if it is left out. */
  readonly family?: Endpoint['family'] | undefined;
}

/** What `proxyHeader()` writes. A `ProxyHeader` that was received will do, to pass it on. */
export interface ProxyHeaderOptions {
  /** Default: 2. Version 1 tells the two ends and nothing else. */
  readonly version?: 1 | 2;
  /** `'local'`: the connection is the sender's own, a health check say, and no client's. Not in version 1. Default: `'proxy'`. */
  readonly command?: 'proxy' | 'local';
  /** How the client has come. Default: `'tcp'` if the ends are given. */
  readonly transport?: 'tcp' | 'udp' | 'unspecified' | undefined;
  /** The client. Left out together with `destination` if it is not known. */
  readonly source?: ProxyEndpoint | undefined;
  /** What the client connected to. Of the same kind as `source`; where one is IPv4 and the other IPv6, both are sent as IPv6. */
  readonly destination?: ProxyEndpoint | undefined;
  /** The protocol that was agreed on with the client, such as `'h2'`. */
  readonly alpn?: string | undefined;
  /** The host name that the client asked for. */
  readonly authority?: string | undefined;
  /** What the sender calls the connection: up to 128 bytes. */
  readonly uniqueId?: Uint8Array | string | undefined;
  /** The TLS connection of the client. Default in it: `clientTls: true`, and a certificate if it is `verified`. */
  readonly ssl?: Partial<ProxyTls> | undefined;
  readonly networkNamespace?: string | undefined;
  /** Whether to add a checksum of the header. Default: if `tlvs` has one. */
  readonly checksum?: boolean;
  /** Further fields. One of a type that has an option of its own is left out if that option is set. */
  readonly tlvs?: readonly { readonly type: number; readonly value: Uint8Array }[];
}

const knownOptions = [
  'version',
  'command',
  'transport',
  'source',
  'destination',
  'alpn',
  'authority',
  'uniqueId',
  'ssl',
  'networkNamespace',
  'checksum',
  'tlvs',
];

const LARGEST_LENGTH = 65_535;

const UNKNOWN_LINE = 'PROXY UNKNOWN\r\n';

/** What is sent for a certificate that was not verified; OpenSSL's number for any reason. */
const NOT_VERIFIED = 1;

/**
 * A PROXY header: what a proxy sends at the beginning of a connection, before anything else and at once, so that the server behind it
 * knows whose connection it is. A server takes it if its descriptor has `proxyProtocol`.
 *
 * @throws RangeError or TypeError if the header cannot be written.
 *
 * @example
 * ```ts
 * import { connect } from 'node:net';
 * import { type Connection, proxyHeader } from '@reagent/core';
 *
 * // The server behind sees the client's address as that of its own connection.
 * function connectFor(client: Connection) {
 *   const socket = connect(8080, '10.0.0.5');
 *   socket.write(proxyHeader({ source: client.remote, destination: client.local }));
 *   return socket;
 * }
 * ```
 */
export function proxyHeader(options: ProxyHeaderOptions): Buffer {
  requireOptions('proxyHeader', options, knownOptions);
  const { version = 2, command = 'proxy', transport } = options;
  requireOneOf('proxyHeader', 'version', version, [1, 2]);
  requireOneOf('proxyHeader', 'command', command, ['proxy', 'local']);
  requireOneOf('proxyHeader', 'transport', transport, ['tcp', 'udp', 'unspecified', undefined]);
  if (version === 1 && command === 'local')
    throw refused('version 1 cannot say that a connection is local; give the ends of the connection itself');
  const ends = endsOf(options);
  if (ends !== undefined && command === 'local')
    throw refused('a local header has no source and no destination: the connection is its own');
  if (ends !== undefined && transport === 'unspecified')
    throw refused("a header of an unspecified transport has no source and no destination; name 'tcp' or 'udp'");
  return version === 1 ? textHeader(options, ends) : binaryHeader(options, ends);
}

/** Both ends, of the same family. */
interface Ends {
  readonly family: (typeof FAMILY)['ipv4' | 'ipv6' | 'unix'];
  /** The source, then the destination. */
  readonly addresses: readonly [Uint8Array, Uint8Array];
  readonly ports: readonly [number, number];
}

function endsOf({ source, destination }: ProxyHeaderOptions): Ends | undefined {
  if (source === undefined && destination === undefined) return undefined;
  if (source === undefined || destination === undefined)
    throw refused(`source and destination go together; ${source === undefined ? 'source' : 'destination'} is missing`);
  const isUnix = isUnixSocket(source);
  if (isUnix !== isUnixSocket(destination))
    throw refused('source and destination have to be both Unix sockets, or both IP addresses');
  if (isUnix) {
    const addresses = [pathBytes('source', source), pathBytes('destination', destination)] as const;
    return { family: FAMILY.unix, addresses, ports: [0, 0] };
  }
  const ports = [port('source', source), port('destination', destination)] as const;
  const from = ipBytes('source', source);
  const to = ipBytes('destination', destination);
  if (from.length === IPV4_BYTES && to.length === IPV4_BYTES)
    return { family: FAMILY.ipv4, addresses: [from, to], ports };
  return { family: FAMILY.ipv6, addresses: [mappedBytes(from), mappedBytes(to)], ports };
}

function isUnixSocket({ address, family }: ProxyEndpoint): boolean {
  // The name of one of Linux's abstract sockets begins with a zero.
  return family === 'unix' || (family === undefined && /^[/\0]/.test(address));
}

function pathBytes(end: string, { address }: ProxyEndpoint): Uint8Array {
  const bytes = Buffer.from(address);
  if (bytes.length <= UNIX_PATH_BYTES) return bytes;
  throw refused(`the path of ${end} has ${bytes.length} bytes; there is room for ${UNIX_PATH_BYTES}: ${address}`);
}

function ipBytes(end: string, { address }: ProxyEndpoint): Uint8Array {
  const bytes = addressBytes(address);
  if (bytes !== undefined) return bytes;
  throw refused(`the address of ${end} has to be an IP address or the path of a Unix socket, not ${shown(address)}`);
}

function port(end: string, endpoint: ProxyEndpoint): number {
  if (Number.isInteger(endpoint.port) && endpoint.port >= 0 && endpoint.port <= 0xffff) return endpoint.port;
  throw refused(`the port of ${end} has to be a whole number from 0 to 65535, not ${shown(endpoint.port)}`);
}

function textHeader(options: ProxyHeaderOptions, ends: Ends | undefined): Buffer {
  const fields = [...ownFields(options), ...(options.tlvs ?? [])];
  if (fields.length > 0 || options.checksum === true)
    throw refused('version 1 tells the two ends and nothing else; use version 2, or leave the rest out');
  // What is not TCP over IP is unknown there.
  if (ends === undefined || ends.family === FAMILY.unix || options.transport === 'udp')
    return Buffer.from(UNKNOWN_LINE);
  const protocol = ends.family === FAMILY.ipv4 ? 'TCP4' : 'TCP6';
  const [source, destination] = ends.addresses.map((bytes) => {
    const text = addressText(bytes);
    return ends.family === FAMILY.ipv6 && !text.includes(':') ? `::ffff:${text}` : text;
  });
  return Buffer.from(`PROXY ${protocol} ${source} ${destination} ${ends.ports.join(' ')}\r\n`);
}

function binaryHeader(options: ProxyHeaderOptions, ends: Ends | undefined): Buffer {
  const { crc32c: checksumType } = proxyTlvTypes;
  const own = ownFields(options);
  const given = options.tlvs ?? [];
  const others = given.filter(({ type }) => type !== checksumType && !own.some((field) => field.type === type));
  const { checksum = given.some(({ type }) => type === checksumType) } = options;
  requireBoolean('proxyHeader', 'checksum', checksum);
  const fields = [...own, ...others].map(tlv);
  // Zeros, of which the checksum is made as well; at the end, where its place is known.
  if (checksum) fields.push(tlv({ type: checksumType, value: Buffer.alloc(CHECKSUM_BYTES) }));

  const header = Buffer.concat([prefix(options, ends), endsBlock(ends), ...fields]);
  const length = header.length - PREFIX_BYTES;
  if (length > LARGEST_LENGTH)
    throw refused(
      `the header has ${length} bytes behind its first ${PREFIX_BYTES}; there is room for ${LARGEST_LENGTH}`,
    );
  header.writeUInt16BE(length, PREFIX_BYTES - 2);
  if (checksum) header.writeUInt32BE(crc32c(header), header.length - CHECKSUM_BYTES);
  return header;
}

/** The first 16 bytes, without the length. */
function prefix({ command, transport }: ProxyHeaderOptions, ends: Ends | undefined): Buffer {
  const versionAndCommand = 0x20 | (command === 'local' ? 0 : 1);
  const familyAndTransport = ends === undefined ? 0 : (ends.family << 4) | (transport === 'udp' ? 2 : 1);
  return Buffer.concat([SIGNATURE, Uint8Array.of(versionAndCommand, familyAndTransport)], PREFIX_BYTES);
}

function endsBlock(ends: Ends | undefined): Buffer {
  if (ends === undefined) return Buffer.alloc(0);
  const { family, addresses, ports } = ends;
  const block = Buffer.alloc(ENDS_BYTES[family]);
  const size = family === FAMILY.unix ? UNIX_PATH_BYTES : addresses[0].length;
  block.set(addresses[0]);
  block.set(addresses[1], size);
  if (family === FAMILY.unix) return block;
  block.writeUInt16BE(ports[0], 2 * size);
  block.writeUInt16BE(ports[1], 2 * size + 2);
  return block;
}

interface Field {
  readonly type: number;
  readonly value: Uint8Array;
}

/** The fields that have an option of their own. */
function ownFields({ alpn, authority, uniqueId, ssl, networkNamespace }: ProxyHeaderOptions): Field[] {
  const id = typeof uniqueId === 'string' ? Buffer.from(uniqueId) : uniqueId;
  if (id !== undefined && id.length > UNIQUE_ID_MAX_BYTES)
    throw refused(`uniqueId has ${id.length} bytes; there is room for ${UNIQUE_ID_MAX_BYTES}`);
  return fieldsOf([
    [proxyTlvTypes.alpn, alpn],
    [proxyTlvTypes.authority, authority],
    [proxyTlvTypes.uniqueId, id],
    [proxyTlvTypes.ssl, ssl === undefined ? undefined : tlsValue(ssl)],
    [proxyTlvTypes.networkNamespace, networkNamespace],
  ]);
}

function tlsValue(tls: Partial<ProxyTls>): Buffer {
  const { clientTls = true, verified = false, certificateConnection = verified } = tls;
  const { certificateSession = certificateConnection } = tls;
  const begin = Buffer.alloc(TLS_HEADER_BYTES);
  begin[0] =
    (clientTls ? CLIENT_TLS : 0) |
    (certificateConnection ? CERTIFICATE_CONNECTION : 0) |
    (certificateSession ? CERTIFICATE_SESSION : 0);
  begin.writeUInt32BE(verified ? 0 : NOT_VERIFIED, 1);
  const fields = fieldsOf([
    [proxyTlsTlvTypes.version, tls.version],
    [proxyTlsTlvTypes.commonName, tls.commonName],
    [proxyTlsTlvTypes.cipher, tls.cipher],
    [proxyTlsTlvTypes.signatureAlgorithm, tls.signatureAlgorithm],
    [proxyTlsTlvTypes.keyAlgorithm, tls.keyAlgorithm],
    [proxyTlsTlvTypes.group, tls.group],
    [proxyTlsTlvTypes.signatureScheme, tls.signatureScheme],
    [proxyTlsTlvTypes.certificate, tls.certificate],
  ]);
  return Buffer.concat([begin, ...fields.map(tlv)]);
}

function fieldsOf(values: readonly (readonly [type: number, value: string | Uint8Array | undefined])[]): Field[] {
  return values.flatMap(([type, value]) => {
    if (value === undefined) return [];
    return [{ type, value: typeof value === 'string' ? Buffer.from(value) : value }];
  });
}

function tlv({ type, value }: Field): Buffer {
  if (!Number.isInteger(type) || type < 0 || type > 0xff)
    throw refused(`the type of a field has to be a whole number from 0 to 255, not ${shown(type)}`);
  if (value.length > LARGEST_LENGTH)
    throw refused(`the field of type ${type} has ${value.length} bytes; there is room for ${LARGEST_LENGTH}`);
  const header = Buffer.alloc(TLV_HEADER_BYTES);
  header[0] = type;
  header.writeUInt16BE(value.length, 1);
  return Buffer.concat([header, value]);
}

function refused(reason: string): RangeError {
  return new RangeError(`proxyHeader(): ${reason}`);
}
