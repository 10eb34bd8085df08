import { createServer } from 'node:net';
import { listen } from '../listen.js';

/** The bare echo with the socket options that reagent sets by default, each of which is a system call a connection. */
export const start = () =>
  listen(
    createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) => {
      socket.on('data', (data) => socket.write(data));
      socket.on('error', () => socket.destroy());
    }),
  );
