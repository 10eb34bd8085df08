import { createServer, type Socket } from 'node:net';
import { listen } from '../listen.js';

async function echo(socket: Socket): Promise<void> {
  for await (const data of socket) socket.write(data);
}

export const start = () => listen(createServer((socket) => void echo(socket).catch(() => socket.destroy())));
