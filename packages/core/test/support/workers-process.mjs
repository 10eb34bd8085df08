// The main file that `WorkersProcess` runs, in a supervisor and its workers. Its argument is what to serve, as JSON. The supervisor obeys the
// lines that it gets on stdin, and answers each with a line.

import { subscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import inspector from 'node:inspector';
import { createInterface } from 'node:readline';
import { bootstrap, Module, OnConnection, OnData, OnShutdown, Reagent } from '@reagent/core';

const { workers, listeners, secure, silent, atShutdown, lasting, faultFile, lateDescriptors } = JSON.parse(
  process.argv[2] ?? '{}',
);
/** The number of this worker, which is told to `bootstrap` alone. */
const number = process.env.REAGENT_WORKER;

/** @typedef {import('@reagent/core').Connection} Connection */

/** Bytes that this worker has answered. */
let received = 0;

class Base {
  /** @param {Connection} conn */
  open(conn) {
    // Who answers, so that a client knows.
    if (!silent) conn.send(`${process.pid}\n`);
  }

  /**
   * @param {Connection} conn
   * @param {Buffer} data
   */
  answer(conn, data) {
    received += data.length;
    const order = data.length > 32 ? '' : String(data);
    if (order === 'hang') for (;;);
    else if (order === 'spin') spin(conn);
    else if (order === 'inspected hang') hangInspected(conn);
    else if (order === 'throw') throw new Error('told to throw');
    else if (order === 'env') conn.send(`${describe()}\n`);
    else if (order === 'leave') void application.stop();
    else if (order === 'start') void startAnother(conn);
    else conn.send(data);
  }

  /** @param {Connection} conn */
  leave(conn) {
    if (atShutdown === 'hang') for (;;);
    if (atShutdown === 'goodbye') conn.send('goodbye\n');
    if (atShutdown !== undefined) conn.close();
  }
}

/** What a worker is, and what it was started with. */
function describe() {
  const variables = [process.execArgv, process.argv[2]?.slice(0, 12), process.env.REAGENT_WORKER ?? 'none'];
  return `worker ${application.worker?.id}: ${variables.join(', ')}`;
}

/**
 * Keeps this process busy, so that another one takes the next client.
 *
 * @param {Connection} conn
 */
function spin(conn) {
  const end = Date.now() + 50;
  while (Date.now() < end);
  conn.send('spun\n');
}

/** @param {Connection} conn */
function hangInspected(conn) {
  inspector.open(0, '127.0.0.1');
  // Tells the supervisor first.
  setTimeout(() => {
    const end = Date.now() + 1_500;
    while (Date.now() < end);
    inspector.close();
    conn.send('hung\n');
  }, 300);
}

/** @param {Connection} conn */
async function startAnother(conn) {
  const { port } = await application.start(reagents[0], { name: 'Another', port: 0, host: '127.0.0.1' });
  conn.send(`${port}\n`);
}

/** @param {object} descriptor */
function reagent(descriptor) {
  class Server extends Base {}
  /** @param {'open' | 'answer' | 'leave'} method */
  const property = (method) => /** @type {any} */ (Object.getOwnPropertyDescriptor(Base.prototype, method));
  OnConnection()(Server.prototype, 'open', property('open'));
  OnData()(Server.prototype, 'answer', property('answer'));
  OnShutdown()(Server.prototype, 'leave', property('leave'));
  Reagent(lateDescriptors ? () => descriptor : descriptor)(Server);
  return Server;
}

/** @param {string | undefined} path */
function contentOf(path) {
  try {
    return path === undefined ? undefined : readFileSync(path, 'utf8');
  } catch {
    // Nobody has written it yet.
    return undefined;
  }
}

class Fragile {
  constructor() {
    const whom = contentOf(faultFile);
    if (whom === 'all' || whom === number) throw new Error('told to fail');
    // Who has this keeps the process.
    if (lasting === 'process') setInterval(() => {}, 1_000);
  }

  dispose() {
    return lasting === 'disposal' ? new Promise(() => {}) : undefined;
  }
}

const reagents = listeners.map(reagent);
class AppModule {}
Module({ providers: [Fragile], reagents })(AppModule);

/** @type {string[]} */
const events = [];
subscribe('reagent:worker:status', (event) => {
  const { id, status, code, signal } = /** @type {import('@reagent/core').WorkerEvent} */ (event);
  const told = [id, status, code, signal].filter((part) => part !== undefined && part !== null).join(' ');
  events.push(told);
  console.log(`event: ${told}`);
});

const application = await bootstrap(AppModule, { workers, ...(secure === undefined ? {} : { secure }) });

/** @type {Record<string, (...args: any[]) => unknown>} */
const orders = {
  stats: () => application.stats(),
  events: () => events,
  listeners: () => application.listeners.map(({ name, address, port, status }) => ({ name, address, port, status })),
  reload: () => application.reload(),
  suspend: () => application.suspend(),
  resume: () => application.resume(),
  stop: (timeout) => application.stop({ timeout }),
  waitForConnections: (count) => application.listeners[0]?.waitForConnections((connections) => connections === count),
  try: (what) => attempts[what]?.(),
  resolve: (name) => application.listener(name === 'class' ? reagents[0] : name).name,
  worker: () => application.worker,
};

/**
 * What a supervisor cannot do.
 *
 * @type {Record<string, () => unknown>}
 */
const attempts = {
  connections: () => listener().connections,
  env: () => listener().env,
  broadcast: () => listener().broadcast('hello'),
  resize: () => listener().resize(1),
  accept: () => listener().accept(/** @type {any} */ (undefined)),
  maxConnections: () => {
    listener().maxConnections = 1;
  },
  'stop of a listener': () => listener().stop(),
  resolve: () => application.resolve(Fragile),
  start: () => application.start(reagents[0]),
  'another one': () => bootstrap(AppModule, { workers: 1 }),
};

function listener() {
  return application.listener(reagents[0]);
}

if (application.worker !== undefined) {
  void application.closed.then(() => console.log(`answered ${received} bytes`));
} else {
  console.log(`ready ${JSON.stringify(orders.listeners?.())}`);
  const lines = createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const [number, order, ...args] = JSON.parse(line);
    /** @type {object} */
    let outcome;
    try {
      outcome = { value: (await orders[order]?.(...args)) ?? null };
    } catch (error) {
      const { name, message, code } = /** @type {Error & { code?: string }} */ (error);
      outcome = { error: { name, message, code } };
    }
    console.log(`answer ${JSON.stringify([number, outcome])}`);
  });
  // What it reads does not keep the process.
  void application.closed.then(() => lines.close());
  void application.closed.then(() => process.stdin.destroy());
}
