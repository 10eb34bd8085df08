// A main file whose providers are made in different processes of an application with workers. Its argument says what one of them does.
// Every process writes a line for each thing that happens to it: `supervisor made Schedule`.

import { writeSync } from 'node:fs';
import { Application, bootstrap, Module, OnConnection, Reagent } from '@reagent/core';

const [behaviour = ''] = process.argv.slice(2);
const role = process.env.REAGENT_WORKER === undefined ? 'supervisor' : 'worker';

/** @param {string} what */
function tell(what) {
  // At once, as a process that is about to end would not write it otherwise.
  writeSync(1, `${role} ${what}\n`);
}

class Store {
  constructor() {
    tell('made Store');
  }

  dispose() {
    tell('disposed Store');
  }
}

class Identity {
  name = role;
}

class Schedule {
  /**
   * @param {Application} application
   * @param {Identity} identity
   */
  constructor(application, identity) {
    tell(`made Schedule with ${application.listeners.length} listeners by the ${identity.name}`);
    if (behaviour === 'fail') throw new Error('told to fail');
    if (behaviour === 'stop') void application.stop();
    if (behaviour === 'stop later') setTimeout(() => void application.stop(), 50);
    this.application = application;
  }

  async dispose() {
    tell(`disposing Schedule with ${this.application.listeners.length} listeners`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    tell('disposed Schedule');
    if (behaviour === 'fail at the end') throw new Error('told to fail at the end');
  }
}

class Server {
  crash() {
    process.exit(3);
  }
}
OnConnection()(Server.prototype, 'crash', { value: Server.prototype.crash });
Reagent({ port: 0, host: '127.0.0.1' })(Server);

// Abstract classes serve as tokens too; the type does not say so.
const theApplication = /** @type {import('@reagent/core').InjectionToken<Application>} */ (Application);

class AppModule {}
Module({
  providers: [
    Store,
    { token: Identity, useClass: Identity, process: 'all' },
    {
      token: Schedule,
      useFactory: (container) => new Schedule(container.resolve(theApplication), container.resolve(Identity)),
      process: 'supervisor',
    },
  ],
  reagents: [Server],
})(AppModule);

/**
 * @param {Application} application
 * @param {import('@reagent/core').Constructor} token
 */
function has(application, token) {
  try {
    application.resolve(token);
    return 'yes';
  } catch (error) {
    return String(error);
  }
}

process.on('exit', (code) => tell(`ends with ${code}`));
try {
  const application = await bootstrap(AppModule, { workers: { count: 1, maxRestarts: 0 } });
  for (const token of [Store, Identity, Schedule]) tell(`has ${token.name}: ${has(application, token)}`);
  if (application.worker === undefined) {
    if (behaviour === 'give up') {
      const { connect } = await import('node:net');
      connect(application.listener(Server).port, '127.0.0.1').on('error', () => {});
      await application.closed;
    } else {
      await application.stop();
    }
    tell('closed');
  }
} catch (error) {
  tell(`failed: ${error}`);
  process.exitCode = 1;
}
