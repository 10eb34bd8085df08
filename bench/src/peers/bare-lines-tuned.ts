import { createServer, type Socket } from 'node:net';
import { listen } from '../listen.js';

const NEWLINE = 10;
const EMPTY: Buffer = Buffer.alloc(0);

/** Lines as an expert would by hand: finds the ends among the bytes, decodes each line once, answers a chunk in one write. */
function answerLines(socket: Socket): void {
  let rest = EMPTY;
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let answers = '';
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      answers += `${bytes.toString('utf8', start, end)}\n`;
      start = end + 1;
    }
    rest = start === bytes.length ? EMPTY : bytes.subarray(start);
    if (answers !== '') socket.write(answers);
  });
  socket.on('error', () => socket.destroy());
}

export const start = () => listen(createServer({ noDelay: true }, answerLines));
