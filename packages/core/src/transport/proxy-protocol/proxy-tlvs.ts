// The fields that follow the addresses in a PROXY header of version 2: a type of one byte, a length of two, a value.

import { type ProxyHeader, type ProxyTls, type ProxyTlv, proxyTlsTlvTypes, proxyTlvTypes } from './proxy-header.js';
import { ProxyHeaderError } from './proxy-header-error.js';

/** Type and length. */
export const TLV_HEADER_BYTES = 3;

export const UNIQUE_ID_MAX_BYTES = 128;

export const CHECKSUM_BYTES = 4;

/** What the value about TLS begins with: a byte of flags, and four of the certificate's verification. */
export const TLS_HEADER_BYTES = 5;

/** The flags of that byte. */
export const CLIENT_TLS = 0x01;
export const CERTIFICATE_CONNECTION = 0x02;
export const CERTIFICATE_SESSION = 0x04;

type Fields = Pick<ProxyHeader, 'alpn' | 'authority' | 'uniqueId' | 'ssl' | 'networkNamespace' | 'tlvs'>;

/**
 * Reads all fields of a block. Of two of the same type, the first one counts. Their values share the block's memory.
 *
 * @throws ProxyHeaderError if the block does not consist of whole fields, or one of them cannot be.
 */
export function readFields(block: Buffer): Fields {
  const tlvs = readTlvs(block);
  const { uniqueId: uniqueIdType, crc32c, ssl } = proxyTlvTypes;
  const uniqueId = valueFor(tlvs, uniqueIdType);
  if (uniqueId !== undefined && uniqueId.length > UNIQUE_ID_MAX_BYTES)
    throw invalid(`its unique ID has ${uniqueId.length} bytes; ${UNIQUE_ID_MAX_BYTES} are allowed`);
  const checksums = tlvs.filter(({ type }) => type === crc32c);
  if (checksums.length > 1) throw invalid('it has more than one checksum');
  if (checksums.some(({ value }) => value.length !== CHECKSUM_BYTES))
    throw invalid(`its checksum does not have ${CHECKSUM_BYTES} bytes`);
  const tls = valueFor(tlvs, ssl);
  return {
    alpn: textFor(tlvs, proxyTlvTypes.alpn),
    authority: textFor(tlvs, proxyTlvTypes.authority),
    uniqueId,
    ssl: tls === undefined ? undefined : readTls(tls),
    networkNamespace: textFor(tlvs, proxyTlvTypes.networkNamespace),
    tlvs,
  };
}

function readTlvs(block: Buffer): ProxyTlv[] {
  const tlvs: ProxyTlv[] = [];
  let offset = 0;
  while (offset < block.length) {
    const start = offset + TLV_HEADER_BYTES;
    const end = start <= block.length ? start + block.readUInt16BE(offset + 1) : Number.POSITIVE_INFINITY;
    if (end > block.length) throw invalid('a field after the addresses is cut off at its end');
    tlvs.push({ type: block[offset] as number, value: block.subarray(start, end) });
    offset = end;
  }
  return tlvs;
}

function readTls(value: Buffer): ProxyTls {
  if (value.length < TLS_HEADER_BYTES) throw invalid('its field about TLS is too short');
  const flags = value[0] as number;
  const tlvs = readTlvs(value.subarray(TLS_HEADER_BYTES));
  const certificateConnection = (flags & CERTIFICATE_CONNECTION) !== 0;
  const certificateSession = (flags & CERTIFICATE_SESSION) !== 0;
  return {
    clientTls: (flags & CLIENT_TLS) !== 0,
    certificateConnection,
    certificateSession,
    // HAProxy sends zero for a client without a certificate.
    verified: (certificateConnection || certificateSession) && value.readUInt32BE(1) === 0,
    version: textFor(tlvs, proxyTlsTlvTypes.version),
    commonName: textFor(tlvs, proxyTlsTlvTypes.commonName),
    cipher: textFor(tlvs, proxyTlsTlvTypes.cipher),
    signatureAlgorithm: textFor(tlvs, proxyTlsTlvTypes.signatureAlgorithm),
    keyAlgorithm: textFor(tlvs, proxyTlsTlvTypes.keyAlgorithm),
    group: textFor(tlvs, proxyTlsTlvTypes.group),
    signatureScheme: textFor(tlvs, proxyTlsTlvTypes.signatureScheme),
    certificate: valueFor(tlvs, proxyTlsTlvTypes.certificate),
  };
}

function valueFor(tlvs: readonly ProxyTlv[], type: number): Buffer | undefined {
  return tlvs.find((tlv) => tlv.type === type)?.value;
}

/** Names and texts are UTF-8, most of them ASCII. */
function textFor(tlvs: readonly ProxyTlv[], type: number): string | undefined {
  return valueFor(tlvs, type)?.toString();
}

function invalid(what: string): ProxyHeaderError {
  return new ProxyHeaderError(`invalid PROXY header of version 2: ${what}`);
}
