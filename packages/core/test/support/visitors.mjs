// A process that visits a server over and over: connects, reads who answers, sends a message, reads it back, leaves. Its argument says where, as
// JSON. When its input ends it stops, and prints what came of the visits.

import { connect } from 'node:net';
import { connect as connectEncrypted } from 'node:tls';

const { targets, concurrency } = JSON.parse(process.argv[2] ?? '{}');
const message = 'x'.repeat(64);
let isOver = false;
let visits = 0;
let slowest = 0;
/** @type {Record<string, number>} */
const failures = {};
/** @type {Record<string, number>} */
const hosts = {};

process.stdin.resume().on('end', () => {
  isOver = true;
});

/** @typedef {{ port: number, path?: undefined, ca?: string } | { path: string, port?: undefined, ca?: undefined }} Target */

/** @param {Target} target */
function visit({ ca, ...target }) {
  return /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      const begun = Date.now();
      let received = '';
      let failure = 'closed without an answer';
      const options = target.path === undefined ? { host: '127.0.0.1', ...target } : { path: target.path };
      const socket =
        ca === undefined
          ? connect(options)
          : connectEncrypted({ ...options, ca, checkServerIdentity: () => undefined });
      socket.once(ca === undefined ? 'connect' : 'secureConnect', () => socket.write(message));
      socket.setEncoding('latin1').on('data', (data) => {
        received += data;
        if (received.endsWith(message)) socket.end();
      });
      socket.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
        failure = `${error.syscall} ${error.code}`;
      });
      socket.on('close', () => {
        visits += 1;
        slowest = Math.max(slowest, Date.now() - begun);
        if (received.endsWith(message)) {
          const [host = ''] = received.split('\n');
          hosts[host] = (hosts[host] ?? 0) + 1;
        } else {
          failures[failure] = (failures[failure] ?? 0) + 1;
        }
        resolve();
      });
    })
  );
}

/** @param {Target} target */
async function visitor(target) {
  while (!isOver) {
    await visit(target);
    if (visits === 200) console.log('busy');
  }
}

await Promise.all(
  targets.flatMap((/** @type {Target} */ target) => Array.from({ length: concurrency }, () => visitor(target))),
);
console.log(JSON.stringify({ visits, failures, hosts, slowest }));
