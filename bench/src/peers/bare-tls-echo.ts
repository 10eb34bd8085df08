import { createServer } from 'node:tls';
import { readCertificate } from '../certificate.js';
import { listen } from '../listen.js';

/** The echo that everything over TLS is measured against. */
export const start = () =>
  listen(
    createServer(readCertificate(), (socket) => {
      socket.on('data', (data) => socket.write(data));
      socket.on('error', () => socket.destroy());
    }),
  );
