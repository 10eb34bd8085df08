// A main file with a provider that takes its time, for tests of what signals do meanwhile. Its argument is JSON: `delay`, how long it takes in
// milliseconds, or nothing for ever, and `workers`, how many, or nothing for none. A worker takes
// 300 ms to start.

import { bootstrap, Module, OnData, Reagent } from '@reagent/core';

const { delay, workers } = JSON.parse(process.argv[2] ?? '{}');
const isWorker = process.env.REAGENT_WORKER !== undefined;

if (isWorker) {
  console.log('in worker');
  await new Promise((resolve) => setTimeout(resolve, 300));
}

class Slow {
  dispose() {
    console.log('disposed');
  }

  static async make() {
    console.log('making');
    // Keeps the process, as a connection to a database does.
    await new Promise((resolve) => setTimeout(resolve, delay ?? 60_000));
    return new Slow();
  }
}

class Server {
  listen() {}
}
OnData()(Server.prototype, 'listen', { value: Server.prototype.listen });
Reagent({ port: 0, host: '127.0.0.1' })(Server);

class AppModule {}
Module({
  providers: [{ token: Slow, useFactory: Slow.make, process: 'supervisor' }],
  reagents: [Server],
})(AppModule);

const application = await bootstrap(AppModule, workers === undefined ? {} : { workers });
if (application.worker === undefined) console.log('up');
