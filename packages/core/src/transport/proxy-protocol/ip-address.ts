// IP addresses as bytes in the order of the network, and as text. One that is mapped into IPv6 (`::ffff:192.0.2.1`) is IPv4 here.

import { isIPv4, isIPv6 } from 'node:net';
import type { Endpoint } from '../endpoint.js';

export const IPV4_BYTES = 4;
export const IPV6_BYTES = 16;

const GROUPS = 8;

const DOT = 0x2e;
const ZERO = 0x30;

/** What an IPv4 address has in front of it when it is mapped into IPv6. */
const MAPPED_PREFIX = Buffer.from('00000000000000000000ffff', 'hex');

/** The 4 or 16 bytes of an address; `undefined` if the text is none. The zone of a link-local address (`%eth0`) is left out. */
export function addressBytes(text: string): Uint8Array | undefined {
  if (!text.includes(':')) {
    if (!isIPv4(text)) return undefined;
    const bytes = new Uint8Array(IPV4_BYTES);
    writeIPv4(text, bytes, 0);
    return bytes;
  }
  if (!isIPv6(text)) return undefined;
  const zone = text.indexOf('%');
  const bytes = ipv6Bytes(zone === -1 ? text : text.slice(0, zone));
  return isMapped(bytes, 0) ? bytes.subarray(MAPPED_PREFIX.length) : bytes;
}

/**
 * The address in the 4 or 16 bytes from `start` on, in its canonical form, which is that of Node.js too: for IPv6, the one of RFC 5952.
 */
export function addressText(bytes: Uint8Array, start = 0, size = bytes.length): string {
  if (size === IPV4_BYTES) return ipv4Text(bytes, start);
  return isMapped(bytes, start) ? ipv4Text(bytes, start + MAPPED_PREFIX.length) : ipv6Text(bytes, start);
}

/** The 16 bytes of an address of either family. */
export function mappedBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length === IPV4_BYTES ? Buffer.concat([MAPPED_PREFIX, bytes]) : bytes;
}

/** An end from the text of its address in canonical form. */
export function endpointOf(address: string, port: number): Endpoint {
  return { address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' };
}

function isMapped(bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < MAPPED_PREFIX.length; i++) if (bytes[start + i] !== MAPPED_PREFIX[i]) return false;
  return true;
}

function ipv4Text(bytes: Uint8Array, start: number): string {
  return `${bytes[start]}.${bytes[start + 1]}.${bytes[start + 2]}.${bytes[start + 3]}`;
}

/** Takes what `isIPv4` accepts. */
function writeIPv4(text: string, bytes: Uint8Array, start: number): void {
  let position = start;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      bytes[position++] = value;
      value = 0;
    } else {
      value = value * 10 + code - ZERO;
    }
  }
  bytes[position] = value;
}

/** Takes what `isIPv6` accepts, without a zone. */
function ipv6Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(IPV6_BYTES);
  const gap = text.indexOf('::');
  if (gap === -1) {
    writeGroups(text, bytes, 0);
    return bytes;
  }
  // What stands behind the gap is pushed to the end.
  const end = writeGroups(text.slice(0, gap), bytes, 0);
  const tail = writeGroups(text.slice(gap + 2), bytes, end) - end;
  bytes.copyWithin(IPV6_BYTES - tail, end, end + tail);
  bytes.fill(0, end, IPV6_BYTES - tail);
  return bytes;
}

/** Writes groups that are separated by colons. Returns where they end. */
function writeGroups(text: string, bytes: Uint8Array, start: number): number {
  if (text === '') return start;
  let position = start;
  for (const group of text.split(':')) {
    if (group.includes('.')) {
      writeIPv4(group, bytes, position);
      position += IPV4_BYTES;
    } else {
      const value = Number.parseInt(group, 16);
      bytes[position++] = value >>> 8;
      bytes[position++] = value;
    }
  }
  return position;
}

function ipv6Text(bytes: Uint8Array, start: number): string {
  // The longest run of groups that are zero becomes the gap, the first of them where several are as long. One group is no run.
  let gapStart = -1;
  let gapEnd = -1;
  let runStart = 0;
  for (let i = 0; i < GROUPS; i++) {
    if (groupAt(bytes, start, i) !== 0) runStart = i + 1;
    else if (i + 1 - runStart > Math.max(1, gapEnd - gapStart)) [gapStart, gapEnd] = [runStart, i + 1];
  }
  if (gapStart === -1) return groupsText(bytes, start, 0, GROUPS);
  return `${groupsText(bytes, start, 0, gapStart)}::${groupsText(bytes, start, gapEnd, GROUPS)}`;
}

function groupsText(bytes: Uint8Array, start: number, from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i++) text += (i === from ? '' : ':') + groupAt(bytes, start, i).toString(16);
  return text;
}

function groupAt(bytes: Uint8Array, start: number, index: number): number {
  return ((bytes[start + 2 * index] as number) << 8) | (bytes[start + 2 * index + 1] as number);
}
