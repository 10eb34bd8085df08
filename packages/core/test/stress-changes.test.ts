// Ten thousand starts, suspensions, resumptions and stops, of listeners and of applications, by many callers at the same time and in
// random order, while clients come and go. Each call settles, with what it is documented to throw or with what was asked for; after
// each round every listener is as the last call has said; and in the end nothing is left.
//
// CHANGES_SEED in the environment makes another order.

import { connect, type NetConnectOpts } from 'node:net';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import {
  type Application,
  ConfigurationError,
  type Connection,
  type Listener,
  OnData,
  Reagent,
  StateError,
  type StopOptions,
  silentLogger,
  start,
} from '@reagent/core';
import { expect, it } from 'vitest';
import { Leftovers } from './support/leftovers.js';
import { Random } from './support/random.js';
import { TemporaryDirectory } from './support/temporary-directory.js';

/** Seeds are below it. */
const MOST = 1_000_000;
const SEED = Number(process.env.CHANGES_SEED ?? Date.now() % MOST);
const OPERATIONS = 10_000;
const ROUNDS = 20;
const CALLERS = 25;
const CLIENTS = 12;
const APPLICATIONS = 3;
/** Listeners of each application: even ones on ports, odd ones on Unix sockets. */
const PLACES = 6;

/** If it takes longer, something does not settle. */
const LIMIT_MS = 60_000;

@Reagent({ acceptors: 4, maxConnections: 20 })
class Echo {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

/** What has not settled yet. A timer for each would cost more than what is tested. */
const pending = new Set<{ readonly what: string }>();

async function settles<T>(what: string, operation: Promise<T>): Promise<T> {
  const entry = { what };
  pending.add(entry);
  try {
    return await operation;
  } finally {
    pending.delete(entry);
  }
}

/** Where a listener is reached. */
function addressOf({ endpoint }: Listener): NetConnectOpts {
  const { address, port, family } = endpoint;
  return family === 'unix' ? { path: address } : { host: address, port };
}

/** Connects, says something, and leaves when it is answered, or when it is not to be: how that has ended. */
function visit(listener: Listener): Promise<string> {
  return new Promise((resolve) => {
    let outcome = 'closed';
    const socket = connect(addressOf(listener), () => socket.write('hello'));
    socket
      .on('data', () => {
        outcome = 'served';
        socket.end();
      })
      .on('error', (error: NodeJS.ErrnoException) => {
        outcome = String(error.code);
      })
      .on('close', () => resolve(outcome));
  });
}

/** The applications, and what was asked of their listeners last. */
class World {
  readonly applications: Application[] = [];
  readonly outcomes: Record<string, number> = {};
  readonly #directory: string;
  readonly #wanted = new Map<Listener, 'listening' | 'suspended' | 'stopped'>();
  readonly #addresses = new Map<Listener, string>();
  /** So that no path is that of an application which has not quite stopped. */
  #generation = 0;
  readonly #generations = new Map<Application, number>();
  readonly #stopping = new Set<Application>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Every place has an address of its own, so that nobody else is given the port of one that is suspended. */
  #descriptor(index: number, generation: number, place: number) {
    const name = `place ${place}`;
    if (place % 2 === 0) return { name, port: 0, host: `127.0.${index + 1}.${place + 1}` };
    return { name, path: join(this.#directory, `${generation}-${place}.sock`) };
  }

  async begin(index: number): Promise<void> {
    const generation = ++this.#generation;
    const application = await start(Echo, this.#descriptor(index, generation, 0), {
      logger: silentLogger,
      signals: false,
    });
    this.#generations.set(application, generation);
    this.applications[index] = application;
    for (const listener of application.listeners) this.#addresses.set(listener, JSON.stringify(listener.endpoint));
  }

  #count(outcome: string): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
  }

  #want(listener: Listener, status: 'listening' | 'suspended' | 'stopped'): void {
    if (this.#wanted.get(listener) !== 'stopped') this.#wanted.set(listener, status);
  }

  /** Does something; resolves when it has come to its end, rejects if that is not one that it may come to. */
  async operate(random: Random): Promise<void> {
    let index = random.below(APPLICATIONS);
    // Most of the time, one that is not stopping.
    if (this.#stopping.has(this.applications[index] as Application)) index = random.below(APPLICATIONS);
    const application = this.applications[index] as Application;
    const { listeners } = application;
    const dice = random.below(100);
    const options: StopOptions = random.pick([{ timeout: 0 }, { timeout: 1 }, { timeout: 20 }, {}]);
    if (dice < 30 || listeners.length === 0) return this.#start(application, index, random.below(PLACES));
    const listener = random.pick(listeners);
    if (dice < 50) return this.#call('suspend', [listener], () => listener.suspend());
    if (dice < 72) return this.#call('resume', [listener], () => listener.resume(), StateError);
    if (dice < 82) return this.#call('stop', [listener], () => listener.stop(options));
    if (dice < 88) return this.#call('app.suspend', listeners, () => application.suspend());
    if (dice < 99) return this.#call('app.resume', listeners, () => application.resume());
    // Whoever stops it first puts another one in its place.
    const isFirst = !this.#stopping.has(application);
    this.#stopping.add(application);
    await this.#call('app.stop', listeners, () => application.stop(options));
    if (isFirst) await this.begin(index);
  }

  async #start(application: Application, index: number, place: number): Promise<void> {
    const generation = this.#generations.get(application) as number;
    const descriptor = this.#descriptor(index, generation, place);
    try {
      const listener = await settles('app.start', application.start(Echo, descriptor));
      this.#count('app.start');
      this.#addresses.set(listener, JSON.stringify(listener.endpoint));
    } catch (error) {
      // Its name is taken, or the application is stopping.
      if (!(error instanceof ConfigurationError || error instanceof StateError)) throw error;
      this.#count(`app.start: ${error.name}`);
    }
  }

  async #call(
    name: 'suspend' | 'resume' | 'stop' | `app.${'suspend' | 'resume' | 'stop'}`,
    listeners: readonly Listener[],
    operation: () => Promise<void>,
    documented?: typeof StateError,
  ): Promise<void> {
    const status = name.endsWith('suspend') ? 'suspended' : name.endsWith('resume') ? 'listening' : 'stopped';
    for (const listener of listeners) this.#want(listener, status);
    try {
      await settles(name, operation());
      this.#count(name);
    } catch (error) {
      if (documented === undefined || !(error instanceof documented)) throw error;
      // Only of one that was stopped before its turn came.
      for (const listener of listeners) expect(this.#wanted.get(listener)).toBe('stopped');
      this.#count(`${name}: ${error.name}`);
    }
    if (status === 'stopped') for (const listener of listeners) expect(listener.status).toBe('stopped');
  }

  /** A client of any listener there is, whatever it is up to. */
  async visit(random: Random): Promise<void> {
    const listeners = this.applications.flatMap((application) => application.listeners);
    const listener = listeners[random.below(listeners.length)];
    // One that is not bound yet has no address.
    if (listener === undefined || listener.address === '') return turn();
    this.#count(`client: ${await settles('a client', visit(listener))}`);
  }

  /** While nothing is under way: every listener is as it was told last, and where it was first. */
  async check(): Promise<void> {
    for (const application of this.applications) {
      for (const listener of application.listeners) {
        expect([listener.name, listener.status]).toEqual([listener.name, this.#wanted.get(listener) ?? 'listening']);
        const address = this.#addresses.get(listener);
        if (address !== undefined) expect(JSON.stringify(listener.endpoint)).toBe(address);
        const outcome = await settles('a client', visit(listener));
        if (listener.status === 'listening') expect(outcome).toBe('served');
        else expect(['ECONNREFUSED', 'ENOENT']).toContain(outcome);
      }
    }
    for (const [listener, wanted] of this.#wanted) {
      if (wanted !== 'stopped') continue;
      expect(listener.status).toBe('stopped');
      this.#wanted.delete(listener);
      this.#addresses.delete(listener);
    }
  }
}

/** What happens often. */
const usual = [
  ...['app.start', 'app.suspend', 'app.resume', 'app.stop', 'suspend', 'resume', 'stop'],
  ...['app.start: ConfigurationError', 'app.start: StateError', 'resume: StateError'],
  ...['client: served', 'client: ECONNREFUSED', 'client: ENOENT'],
];

it(
  '10 000 starts, suspensions, resumptions and stops at once leave all as the last has said, and nothing behind',
  async ({ onTestFailed }) => {
    onTestFailed(() => {
      console.error(
        `CHANGES_SEED=${SEED}; not settled: ${[...pending].map(({ what }) => what).join(', ') || 'nothing'}`,
      );
    });
    await using directory = await TemporaryDirectory.make();
    const leftovers = new Leftovers();
    const seeds = new Random(SEED);
    const world = new World(directory.path);
    for (let index = 0; index < APPLICATIONS; index += 1) await world.begin(index);
    for (let round = 1; round <= ROUNDS; round += 1) {
      let left = OPERATIONS / ROUNDS;
      const callers = Array.from({ length: CALLERS }, async () => {
        const random = new Random(seeds.below(MOST));
        while (left-- > 0) await world.operate(random);
      });
      const clients = Array.from({ length: CLIENTS }, async () => {
        const random = new Random(seeds.below(MOST));
        while (left > 0) await world.visit(random);
      });
      await Promise.all([...callers, ...clients]);
      await world.check();
    }
    for (const application of world.applications) {
      await settles('app.stop', application.stop());
      expect(application.listeners).toEqual([]);
    }
    await leftovers.none();
    // There was enough of each for something to get in the way of something else.
    expect(usual.filter((outcome) => (world.outcomes[outcome] ?? 0) < 20)).toEqual([]);
  },
  LIMIT_MS,
);
