import { createServer, type TLSSocket } from 'node:tls';
import { readCertificate } from '../certificate.js';
import { listen } from '../listen.js';

async function echo(socket: TLSSocket): Promise<void> {
  for await (const data of socket) socket.write(data);
}

export const start = () =>
  listen(createServer(readCertificate(), (socket) => void echo(socket).catch(() => socket.destroy())));
