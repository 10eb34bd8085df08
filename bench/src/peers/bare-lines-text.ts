import { createServer, type Socket } from 'node:net';
import { listen } from '../listen.js';

const NEWLINE = 10;
const EMPTY: Buffer = Buffer.alloc(0);

/** Lines by hand, another way: decodes all whole lines of a chunk at once, cuts the text, answers a chunk in one write. */
function answerLines(socket: Socket): void {
  let rest = EMPTY;
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const last = bytes.lastIndexOf(NEWLINE);
    rest = last + 1 === bytes.length ? EMPTY : bytes.subarray(last + 1);
    if (last === -1) return;
    let answers = '';
    for (const line of bytes.toString('utf8', 0, last).split('\n')) answers += `${line}\n`;
    socket.write(answers);
  });
  socket.on('error', () => socket.destroy());
}

export const start = () => listen(createServer({ noDelay: true }, answerLines));
