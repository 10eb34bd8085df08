// The main file that `WorkersServer` runs, in a supervisor and its workers.

import { bootstrap, Module, OnData, Reagent } from '@reagent/core';
import { Counter, Ops, OpsServer, Registry } from '@reagent/ops';

/** @typedef {import('@reagent/core').Connection} Connection */

class Echo {
  /**
   * @param {Connection} conn
   * @param {Buffer} data
   */
  answer(conn, data) {
    const order = String(data);
    if (order === 'hang') for (;;);
    if (order === 'spin') {
      const end = Date.now() + 300;
      while (Date.now() < end);
    }
    if (order === 'break') broken = true;
    application.resolve(Counter).inc();
    conn.send(`${application.worker?.id} ${process.pid}`);
  }
}
OnData()(Echo.prototype, 'answer', { value: Echo.prototype.answer });
Reagent({ port: 0, host: '127.0.0.1', maxConnections: 50 })(Echo);

let broken = false;

class AppModule {}
Module({
  imports: [Ops.forRoot({ port: 0, title: 'workers' })],
  providers: [
    {
      token: Counter,
      process: 'all',
      useFactory: (container) =>
        new Counter({
          name: 'answers_total',
          help: 'Answers that were sent.',
          registers: [container.resolve(Registry)],
          collect() {
            if (broken) throw new Error('told to break');
          },
        }),
    },
  ],
  reagents: [Echo],
})(AppModule);

const application = await bootstrap(AppModule, { workers: { count: 2, heartbeat: 60_000 } });
if (application.worker === undefined) {
  const theServer = /** @type {import('@reagent/core').Token<OpsServer>} */ (OpsServer);
  console.log(JSON.stringify({ url: application.resolve(theServer).url, port: application.listener(Echo).port }));
}
