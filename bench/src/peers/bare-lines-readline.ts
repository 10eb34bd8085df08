import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { listen } from '../listen.js';

export const start = () =>
  listen(
    createServer({ noDelay: true }, (socket) => {
      createInterface({ input: socket }).on('line', (line) => socket.write(`${line}\n`));
      socket.on('error', () => socket.destroy());
    }),
  );
