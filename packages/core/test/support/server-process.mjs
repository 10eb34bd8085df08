// An echo server in a process of its own, for tests of what concerns the process: signals, exit codes, descriptors.
// It runs the built package in plain JavaScript, so the decorators are applied by hand.
// Its argument is JSON: the listener's descriptor, and `polite`: whether it closes connections on shutdown.

import { bootstrap, Module, OnConnection, OnData, OnShutdown, Reagent } from '@reagent/core';

const { descriptor, polite } = JSON.parse(process.argv[2] ?? '{}');

/** @typedef {import('@reagent/core').Connection} Connection */

class Server {
  /** @param {Connection} conn */
  open(conn) {
    conn.send('hello\n');
  }

  /**
   * @param {Connection} conn
   * @param {Buffer} data
   */
  answer(conn, data) {
    const order = String(data);
    if (order === 'stats') conn.send(JSON.stringify(conn.listener.stats()));
    else if (order === 'stop') application.stop();
    else if (order === 'spin') conn.send(spin());
    else if (order === 'throw') throw new Error('told to');
    else if (order === 'reject') return Promise.reject(new Error('told to'));
    else conn.send(data);
  }

  /** @param {Connection} conn */
  leave(conn) {
    if (!polite) return;
    conn.send('goodbye\n');
    conn.close();
  }
}

/** Takes long enough to be found in a profile. */
function spin() {
  const end = Date.now() + 50;
  while (Date.now() < end);
  return 'spun\n';
}

/** @param {'open' | 'answer' | 'leave'} method */
const property = (method) => /** @type {any} */ (Object.getOwnPropertyDescriptor(Server.prototype, method));
OnConnection()(Server.prototype, 'open', property('open'));
OnData()(Server.prototype, 'answer', property('answer'));
OnShutdown()(Server.prototype, 'leave', property('leave'));
Reagent({ host: descriptor.port === undefined ? undefined : '127.0.0.1', ...descriptor })(Server);

class AppModule {}
Module({ reagents: [Server] })(AppModule);

const application = await bootstrap(AppModule);
console.log(`ready ${application.listener(Server).port}`);
