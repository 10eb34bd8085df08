import { createServer } from 'node:net';
import { listen } from '../listen.js';

/** The echo that everything else is measured against. */
export const start = () =>
  listen(
    createServer((socket) => {
      socket.on('data', (data) => socket.write(data));
      socket.on('error', () => socket.destroy());
    }),
  );
