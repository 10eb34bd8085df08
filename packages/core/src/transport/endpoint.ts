import type { Socket } from 'node:net';

/** One end of a connection. For a Unix socket `address` is its path, which is empty for a client's end, and `port` is 0. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  readonly family: 'IPv4' | 'IPv6' | 'unix';
}

const FAMILIES: Readonly<Record<string, Endpoint['family']>> = { IPv4: 'IPv4', IPv6: 'IPv6' };

/** How a socket that serves both families writes an IPv4 address. */
const MAPPED = /^::ffff:(?=\d+\.)/i;

/** An address as people know it: that of an IPv4 client is the same whichever family the listener is bound to. */
export function plainAddress(address: string): string {
  return address.replace(MAPPED, '');
}

function endpoint(address: string | undefined, port: number | undefined, family: string | undefined): Endpoint {
  if (address !== undefined && MAPPED.test(address))
    return { address: plainAddress(address), port: port ?? 0, family: 'IPv4' };
  return { address: address ?? '', port: port ?? 0, family: FAMILIES[family ?? ''] ?? 'unix' };
}

export function remoteOf(socket: Socket): Endpoint {
  return endpoint(socket.remoteAddress, socket.remotePort, socket.remoteFamily);
}

export function localOf(socket: Socket): Endpoint {
  return endpoint(socket.localAddress, socket.localPort, socket.localFamily);
}
