// The server that the soak is about, in a process of its own, on the built package in plain JavaScript, with decorators applied by hand.
// Its argument is JSON: `secure`, a certificate with its key. It tells its ports, and then what it holds whenever it is asked.

import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bootstrap, lines, Module, OnAccept, OnConnection, OnData, Reagent, silentLogger } from '@reagent/core';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

const { secure } = JSON.parse(process.argv[2] ?? '{}');

/** @typedef {import('@reagent/core').Connection<string>} Connection */

const eventLoop = monitorEventLoopDelay();
eventLoop.enable();

let answered = 0;

/** More than the kernel keeps for both ends of a connection. */
const much = Buffer.alloc(6 * 1_048_576, 'x').toString('latin1');

/** @type {Readonly<Record<string, (conn: Connection) => unknown>>} */
const orders = {
  pour: (conn) => conn.send(much),
  file: (conn) => conn.sendFile(process.execPath, { size: much.length }),
  wait: async (conn) => {
    await delay(20);
    conn.send('done');
  },
  recv: (conn) => conn.recv({ length: 1_000, timeout: 300 }),
  starttls: async (conn) => {
    conn.send('go ahead');
    await conn.startTls(secure);
  },
  bye: (conn) => conn.close(),
  throw: () => {
    throw new Error('told to');
  },
};

class Service {
  async admit() {
    await undefined;
  }

  async open() {
    await undefined;
  }

  /**
   * @param {Connection} conn
   * @param {string} line
   * @returns {unknown}
   */
  answer(conn, line) {
    const order = orders[line];
    if (order !== undefined && !conn.secure) return order(conn);
    if (order !== undefined && line !== 'starttls') return order(conn);
    if (line.startsWith('honest')) answered += 1;
    return conn.send(line);
  }
}

/** @param {object} descriptor */
function listener(descriptor) {
  class Listening extends Service {}
  /** @param {'admit' | 'open' | 'answer'} method */
  const property = (method) => /** @type {any} */ (Object.getOwnPropertyDescriptor(Service.prototype, method));
  Object.defineProperty(Listening.prototype, 'admit', property('admit'));
  Object.defineProperty(Listening.prototype, 'open', property('open'));
  Object.defineProperty(Listening.prototype, 'answer', property('answer'));
  OnAccept()(Listening.prototype, 'admit', property('admit'));
  OnConnection()(Listening.prototype, 'open', property('open'));
  OnData()(Listening.prototype, 'answer', property('answer'));
  Reagent({
    port: 0,
    host: '127.0.0.1',
    codec: lines({ maxLength: 4_096 }),
    acceptors: 10,
    maxConnections: 400,
    maxConnectionsPerIp: 40,
    acceptRate: { perIp: 400, interval: 1_000 },
    maxWaiting: 100,
    backlog: 4_096,
    timeouts: { proxyHeader: 2_000, handshake: 2_500, idle: 3_000, wait: 1_000, send: 1_000 },
    .../** @type {import('@reagent/core').DescriptorInput} */ (descriptor),
  })(Listening);
  return Listening;
}

class AppModule {}
Module({
  reagents: [
    listener({ name: 'plain' }),
    listener({ name: 'secure', secure }),
    listener({ name: 'proxied', proxyProtocol: true }),
    listener({ name: 'both', proxyProtocol: true, secure }),
    // Always full.
    listener({ name: 'crowded', maxConnections: 15, maxWaiting: 10 }),
  ],
})(AppModule);

const application = await bootstrap(AppModule, { logger: silentLogger });
const tell = (/** @type {object} */ message) => process.send?.(message);

/** What the process holds when all that can be let go of is. */
async function report() {
  const busy = Math.round(eventLoop.max / 1e6);
  for (let count = 0; count < 5; count += 1) {
    await delay(20);
    collectGarbage();
  }
  eventLoop.reset();
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    rss,
    heap: heapUsed + external,
    descriptors: readdirSync('/proc/self/fd').length,
    resources: process.getActiveResourcesInfo().filter((name) => name !== 'Timeout').length,
    /** Milliseconds in which it did nothing else at most, but for collecting garbage here. */
    busy,
    answered,
    listeners: application.stats().listeners,
  };
}

process.on('message', () => void report().then(tell));
tell({ ports: Object.fromEntries(application.listeners.map(({ name, port }) => [name, port])) });
