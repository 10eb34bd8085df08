// Version 1 of the PROXY protocol, a line of text: PROXY TCP4 192.0.2.1 198.51.100.1 51234 443

import { isIPv4, isIPv6 } from 'node:net';
import type { Endpoint } from '../endpoint.js';
import { addressBytes, addressText, endpointOf } from './ip-address.js';
import { NO_FIELDS, type ProxyHeader } from './proxy-header.js';
import { noProxyHeader, ProxyHeaderError, shownBytes } from './proxy-header-error.js';

export const TEXT_START = Buffer.from('PROXY ', 'latin1');

/** The longest line that there can be, its CRLF included. */
export const MAX_LINE_LENGTH = 107;

/** `PROXY`, the protocol, two addresses, two ports. */
const FIELD_COUNT = 6;

const PROTOCOLS = ['TCP4', 'TCP6', 'UNKNOWN'];

const LARGEST_PORT = 65_535;

/** What an address or a port may look like as long as its end is missing. */
const UNFINISHED_IPV4 = /^(?:\d{1,3}\.){0,3}\d{0,3}$/;
const UNFINISHED_IPV6 = /^[\da-f:.]{0,45}$/i;
const PORT = /^(?:0|[1-9]\d{0,4})$/;

/** A header, and how many of the bytes it was. */
export interface TextHeader {
  readonly header: ProxyHeader;
  readonly length: number;
}

/**
 * Reads a header of version 1 at the front of `bytes`; `undefined` as long as its end is missing.
 *
 * @throws ProxyHeaderError as soon as it can no longer become a valid one.
 */
export function readTextHeader(bytes: Buffer): TextHeader | undefined {
  const text = bytes.toString('latin1', 0, MAX_LINE_LENGTH);
  const end = text.search(/[\r\n]/);
  const line = end === -1 ? text : text.slice(0, end);
  const fields = line.split(' ');
  // A field is whole once something follows it: a space or the end of the line.
  const isLineWhole = end !== -1;
  const isWhole = (index: number) => isLineWhole || index < fields.length - 1;

  const [word = '', protocol, source, destination, sourcePort, destinationPort] = fields;
  if (isWhole(0) ? word !== 'PROXY' : !'PROXY'.startsWith(word)) throw noProxyHeader(bytes);
  if (protocol !== undefined) checkProtocol(protocol, isWhole(1));
  // What follows UNKNOWN is to be ignored up to the end of the line.
  if (protocol !== 'UNKNOWN') {
    if (source !== undefined) checkAddress('source', source, protocol, isWhole(2));
    if (destination !== undefined) checkAddress('destination', destination, protocol, isWhole(3));
    if (sourcePort !== undefined) checkPort('source', sourcePort, isWhole(4));
    if (destinationPort !== undefined) checkPort('destination', destinationPort, isWhole(5));
    if (fields.length > FIELD_COUNT) throw invalid('something follows the ports', line);
    if (isLineWhole && fields.length < FIELD_COUNT) throw invalid('it ends too early', line);
  }
  // Taken for the end, a single one would make a header of what may be data; passed over, data of a header.
  if (text[end] === '\n' || (text[end] === '\r' && end + 1 < text.length && text[end + 1] !== '\n'))
    throw invalid('its line has to end with CRLF', line);
  if (line.length > MAX_LINE_LENGTH - 2)
    throw invalid(`it has no CRLF within the ${MAX_LINE_LENGTH} bytes that a header of version 1 has at most`, line);
  if (end === -1 || text[end + 1] !== '\n') return undefined;

  const hasEnds = protocol !== 'UNKNOWN';
  const header: ProxyHeader = {
    version: 1,
    command: 'proxy',
    transport: hasEnds ? 'tcp' : 'unspecified',
    source: hasEnds ? endpoint(source as string, sourcePort as string) : undefined,
    destination: hasEnds ? endpoint(destination as string, destinationPort as string) : undefined,
    ...NO_FIELDS,
  };
  return { header, length: end + 2 };
}

function endpoint(address: string, port: string): Endpoint {
  if (!address.includes(':')) return endpointOf(address, Number(port));
  return endpointOf(addressText(addressBytes(address) as Uint8Array), Number(port));
}

function checkProtocol(protocol: string, isWhole: boolean): void {
  const isValid = isWhole ? PROTOCOLS.includes(protocol) : PROTOCOLS.some((known) => known.startsWith(protocol));
  if (!isValid) throw invalid('its protocol is not TCP4, TCP6 or UNKNOWN', protocol);
}

function checkAddress(which: string, address: string, protocol: string | undefined, isWhole: boolean): void {
  const isIPv4Expected = protocol === 'TCP4';
  let isValid: boolean;
  if (isIPv4Expected) isValid = isWhole ? isIPv4(address) : UNFINISHED_IPV4.test(address);
  // Node.js takes an address with a zone (%eth0) too, which means nothing on another machine.
  else isValid = UNFINISHED_IPV6.test(address) && (!isWhole || isIPv6(address));
  if (!isValid) throw invalid(`its ${which} is no ${isIPv4Expected ? 'IPv4' : 'IPv6'} address`, address);
}

function checkPort(which: string, port: string, isWhole: boolean): void {
  if (port === '' && !isWhole) return;
  if (PORT.test(port) && Number(port) <= LARGEST_PORT) return;
  throw invalid(`its ${which} port is no number from 0 to ${LARGEST_PORT}`, port);
}

function invalid(what: string, received: string): ProxyHeaderError {
  return new ProxyHeaderError(
    `invalid PROXY header of version 1: ${what}: ${shownBytes(Buffer.from(received, 'latin1'), MAX_LINE_LENGTH)}`,
  );
}
