// Version 2 of the PROXY protocol: a signature, four bytes that say what follows and how much of it, addresses, further fields.

import type { Endpoint } from '../endpoint.js';
import { crc32c } from './crc32c.js';
import { addressText, endpointOf, IPV4_BYTES, IPV6_BYTES } from './ip-address.js';
import { NO_FIELDS, type ProxyHeader, proxyTlvTypes } from './proxy-header.js';
import { noProxyHeader, ProxyHeaderError } from './proxy-header-error.js';
import { CHECKSUM_BYTES, readFields, TLV_HEADER_BYTES } from './proxy-tlvs.js';

export const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** The signature and the four bytes behind it. */
export const PREFIX_BYTES = 16;

/**
 * The longest header that is read. Its length allows for four times as much, but HAProxy builds a header within one buffer, which has
 * 16 KiB, and nginx reads 4 KiB: nothing that is sent gets longer, not even with a client's certificate in it.
 */
export const MAX_HEADER_BYTES = 16_384;

export const UNIX_PATH_BYTES = 108;

/** The number of each address family, and how many bytes its two ends take. */
export const FAMILY = { unspecified: 0, ipv4: 1, ipv6: 2, unix: 3 } as const;
export const ENDS_BYTES = [0, 2 * (IPV4_BYTES + 2), 2 * (IPV6_BYTES + 2), 2 * UNIX_PATH_BYTES] as const;

const TRANSPORTS = ['unspecified', 'tcp', 'udp'] as const;

const LOCAL = 0;
const PROXY = 1;

/**
 * How long the header at the front of `bytes` is; `undefined` as long as that has not been received.
 *
 * @throws ProxyHeaderError as soon as it can no longer become a valid one.
 */
export function binaryHeaderLength(bytes: Buffer): number | undefined {
  const known = Math.min(bytes.length, SIGNATURE.length);
  if (bytes.compare(SIGNATURE, 0, known, 0, known) !== 0) throw noProxyHeader(bytes);
  const [versionAndCommand, familyAndTransport] = [bytes[12], bytes[13]];
  if (versionAndCommand === undefined) return undefined;
  const version = versionAndCommand >>> 4;
  const command = versionAndCommand & 0x0f;
  if (version !== 2) throw invalid(`its version is ${version}`);
  if (command !== LOCAL && command !== PROXY) throw invalid(`its command is ${command}, neither LOCAL nor PROXY`);
  if (familyAndTransport === undefined) return undefined;
  // The family of a LOCAL header is to be ignored, whatever it is.
  if (command === PROXY) checkFamily(familyAndTransport);
  if (bytes.length < PREFIX_BYTES) return undefined;
  const length = bytes.readUInt16BE(14);
  if (PREFIX_BYTES + length > MAX_HEADER_BYTES)
    throw invalid(`it has ${PREFIX_BYTES + length} bytes; ${MAX_HEADER_BYTES} are allowed`);
  if (hasEnds(bytes) && length < endsBytes(bytes))
    throw invalid(`it has ${length} bytes for its addresses and fields; the addresses alone take ${endsBytes(bytes)}`);
  return PREFIX_BYTES + length;
}

/**
 * Reads a whole header, for which `binaryHeaderLength` has given the length. It shares no memory with `bytes`.
 *
 * @throws ProxyHeaderError if what follows the first 16 bytes is invalid.
 */
export function readBinaryHeader(bytes: Buffer): ProxyHeader {
  const known = hasEnds(bytes);
  const fieldsStart = PREFIX_BYTES + endsBytes(bytes);
  const fields = fieldsStart < bytes.length ? fieldsOf(bytes.subarray(fieldsStart), known) : NO_FIELDS;
  checkChecksum(bytes, fieldsStart, fields);
  return {
    version: 2,
    command: isLocal(bytes) ? 'local' : 'proxy',
    transport: known ? transportOf(bytes) : 'unspecified',
    source: known ? endOf(bytes, 0) : undefined,
    destination: known ? endOf(bytes, 1) : undefined,
    ...fields,
  };
}

function isLocal(bytes: Buffer): boolean {
  return ((bytes[12] as number) & 0x0f) === LOCAL;
}

/** 0 for a family that we do not know, which only a LOCAL header may have. */
function endsBytes(bytes: Buffer): number {
  return ENDS_BYTES[(bytes[13] as number) >>> 4] ?? 0;
}

function transportOf(bytes: Buffer): ProxyHeader['transport'] {
  return TRANSPORTS[(bytes[13] as number) & 0x0f] ?? 'unspecified';
}

/** Whether it has addresses that count: those of a LOCAL header and of an unspecified family or transport are to be ignored. */
function hasEnds(bytes: Buffer): boolean {
  return !isLocal(bytes) && endsBytes(bytes) > 0 && transportOf(bytes) !== 'unspecified';
}

function checkFamily(familyAndTransport: number): void {
  const family = familyAndTransport >>> 4;
  const transport = familyAndTransport & 0x0f;
  if (family >= ENDS_BYTES.length) throw invalid(`its address family is ${family}, which is none`);
  if (transport >= TRANSPORTS.length) throw invalid(`its transport protocol is ${transport}, which is none`);
}

/** The source has index 0, the destination 1. */
function endOf(bytes: Buffer, index: 0 | 1): Endpoint {
  const family = (bytes[13] as number) >>> 4;
  if (family === FAMILY.unix) {
    const start = PREFIX_BYTES + index * UNIX_PATH_BYTES;
    return { address: pathOf(bytes.subarray(start, start + UNIX_PATH_BYTES)), port: 0, family: 'unix' };
  }
  const size = family === FAMILY.ipv4 ? IPV4_BYTES : IPV6_BYTES;
  const start = PREFIX_BYTES + index * size;
  const port = bytes.readUInt16BE(PREFIX_BYTES + 2 * size + 2 * index);
  return endpointOf(addressText(bytes, start, size), port);
}

/** A path ends at its first zero; the name of one of Linux's abstract sockets begins with one and is filled up with zeros. */
function pathOf(bytes: Buffer): string {
  if (bytes[0] !== 0) {
    const end = bytes.indexOf(0);
    return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
  }
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.toString('utf8', 0, end);
}

function fieldsOf(block: Buffer, areEndsKnown: boolean): ReturnType<typeof readFields> {
  // They live as long as the connection, and the chunk that they came in is larger by far. Memory of the pool would be as bad.
  const copy = Buffer.allocUnsafeSlow(block.length);
  block.copy(copy);
  try {
    return readFields(copy);
  } catch (error) {
    // What a LOCAL header carries has to be skipped, and where addresses are unspecified nobody knows how long they are.
    if (areEndsKnown || !(error instanceof ProxyHeaderError)) throw error;
    return NO_FIELDS;
  }
}

/** The checksum is that of the whole header, with zeros where it stands itself. */
function checkChecksum(bytes: Buffer, fieldsStart: number, { tlvs }: Pick<ProxyHeader, 'tlvs'>): void {
  let start = fieldsStart;
  for (const { type, value } of tlvs) {
    start += TLV_HEADER_BYTES;
    if (type === proxyTlvTypes.crc32c) {
      const before = crc32c(bytes.subarray(0, start));
      const zeros = crc32c(Buffer.alloc(CHECKSUM_BYTES), before);
      if (crc32c(bytes.subarray(start + CHECKSUM_BYTES), zeros) !== value.readUInt32BE(0))
        throw invalid('its checksum is wrong: something has changed it on its way');
    }
    start += value.length;
  }
}

function invalid(what: string): ProxyHeaderError {
  return new ProxyHeaderError(`invalid PROXY header of version 2: ${what}`);
}
