import type { Socket } from 'node:net';

/** One end of a connection. For a Unix socket `address` is its path, which is empty for a client's end, and `port` is 0. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  readonly family: 'IPv4' | 'IPv6' | 'unix';
}

const FAMILIES: Readonly<Record<string, Endpoint['family']>> = { IPv4: 'IPv4', IPv6: 'IPv6' };

function endpoint(address: string | undefined, port: number | undefined, family: string | undefined): Endpoint {
  return { address: address ?? '', port: port ?? 0, family: FAMILIES[family ?? ''] ?? 'unix' };
}

export function remoteOf(socket: Socket): Endpoint {
  return endpoint(socket.remoteAddress, socket.remotePort, socket.remoteFamily);
}

export function localOf(socket: Socket): Endpoint {
  return endpoint(socket.localAddress, socket.localPort, socket.localFamily);
}
