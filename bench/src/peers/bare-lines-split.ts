import { createServer } from 'node:net';
import { listen } from '../listen.js';

/** Lines the way most people write it: collect text, split it, write each answer. */
export const start = () =>
  listen(
    createServer({ noDelay: true }, (socket) => {
      let rest = '';
      socket.setEncoding('utf8');
      socket.on('data', (text) => {
        rest += text;
        const lines = rest.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) socket.write(`${line}\n`);
      });
      socket.on('error', () => socket.destroy());
    }),
  );
