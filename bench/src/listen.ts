import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';

/** Binds a bare server as every peer is bound: to a free port on the loopback address. Returns the port. */
export async function listen(server: Server): Promise<number> {
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
