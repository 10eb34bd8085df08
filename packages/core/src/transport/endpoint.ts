import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { carrierOf } from './held-socket.js';

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

/**
 * Where a socket is bound.
 *
 * @param bound what the system says of it; a string or nothing for one that is no TCP socket
 * @param path what it was to be bound to, if it is a path
 */
export function boundEndpoint(bound: Partial<AddressInfo> | string | null, path = ''): Endpoint {
  if (typeof bound === 'string') return { address: bound, port: 0, family: 'unix' };
  const { address, port, family } = bound ?? {};
  if (address === undefined || port === undefined) return { address: path, port: 0, family: 'unix' };
  return { address, port, family: family === 'IPv4' ? 'IPv4' : 'IPv6' };
}

/** What knows the ends: where TLS runs over what is no socket of the system's, only that does. */
function addressed(socket: Socket): Socket {
  const isEncrypted = (socket as TLSSocket).encrypted === true;
  if (!isEncrypted || socket.remoteAddress !== undefined) return socket;
  return carrierOf(socket as TLSSocket) ?? socket;
}

/** One end of a connection as a line of the log has it; `undefined` where there is nothing to tell. */
export function describeEndpoint({ address, port, family }: Endpoint): string | undefined {
  if (address === '') return undefined;
  if (family === 'unix') return address;
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}

export function remoteOf(socket: Socket): Endpoint {
  const { remoteAddress, remotePort, remoteFamily } = addressed(socket);
  return endpoint(remoteAddress, remotePort, remoteFamily);
}

export function localOf(socket: Socket): Endpoint {
  const { localAddress, localPort, localFamily } = addressed(socket);
  return endpoint(localAddress, localPort, localFamily);
}
