import cluster from 'node:cluster';
import { setTimeout as delay } from 'node:timers/promises';
import type { Listener, StopOptions } from '../listener/listener.js';
import type { Logger } from '../telemetry/logger.js';
import type { SocketHandle } from '../transport/bound-socket.js';
import { shareTickets } from '../transport/tls/ticket-keys.js';
import { describeError } from './error-report.js';
import { enclose, type ListenerFacts, type Order, open, PROTOCOL, type Report, type Task } from './messages.js';
import { SharedBinder } from './shared-binder.js';

/** Tells a process that it is a worker, and which one. */
export const WORKER_VARIABLE = 'REAGENT_WORKER';

/** How long a worker that retires goes on to set up connections, in milliseconds: as long as a handshake may take by default. */
const LAST_ARRIVALS = 5_000;

/** How often it looks whether any are left, in milliseconds. */
const ARRIVALS_CHECK = 10;

/** What a worker has to do with its application. */
export interface ServedApplication {
  readonly logger: Logger;
  readonly listeners: readonly Listener[];
  /** Milliseconds that its connections have when it stops. */
  readonly shutdownTimeout: number;
  /** Resolves when it begins to stop. */
  readonly stopping: Promise<void>;
  stop(options?: StopOptions): Promise<void>;
}

/** A worker's end of the line to its supervisor. */
export class WorkerLink {
  /** The number of this worker. */
  readonly id: number;
  readonly binder = new SharedBinder((report) => this.#tell(report));
  /** Between two signs of life, in milliseconds. */
  #beat = 1_000;
  #application: ServedApplication | undefined;
  #reagentOf: (listener: Listener) => number = () => -1;
  #timer: NodeJS.Timeout | undefined;
  /** The listeners that its last figures are about: once stopped, the application has them no more. */
  #counted: readonly Listener[] = [];
  readonly #facts = new Novelty();
  readonly #figures = new Novelty();
  #welcomed: () => void = () => undefined;
  #isLeaving = false;

  private constructor(id: number) {
    this.id = id;
    process.on('message', (received, handle) => {
      const order = open<Order>(received);
      if (order !== undefined) this.#obey(order, handle as SocketHandle | undefined);
    });
  }

  /** Joins the supervisor that has started this process; resolves to `undefined` if it was started otherwise. */
  static async join(): Promise<WorkerLink | undefined> {
    const number = process.env[WORKER_VARIABLE];
    if (!cluster.isWorker || number === undefined) return undefined;
    // What this process starts itself is no worker.
    delete process.env[WORKER_VARIABLE];
    const link = new WorkerLink(Number(number));
    const welcomed = new Promise<void>((resolve) => {
      link.#welcomed = resolve;
    });
    link.#tell({ kind: 'hello', protocol: PROTOCOL });
    await welcomed;
    return link;
  }

  /**
   * The application is up: from now on the supervisor knows it, and decides when it stops.
   *
   * @param reagentOf the index of a listener's class among the reagents of the modules, or -1
   */
  serve(application: ServedApplication, reagentOf: (listener: Listener) => number): void {
    this.#application = application;
    this.#reagentOf = reagentOf;
    this.#timer = setInterval(() => this.#giveSign(), this.#beat).unref();
    // Without, node:cluster ends the process as soon as the supervisor is gone.
    if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
    process.once('disconnect', () => this.#abandoned(application));
    void application.stopping.then(() => this.#leave(application));
    this.#giveSign();
    this.#tell({ kind: 'ready' });
  }

  /** The application could not be started: tells the supervisor why, and ends the process. Never settles. */
  fail(error: unknown): Promise<never> {
    // The supervisor's `bootstrap` rejects with it: here nobody has to say it once more.
    this.#tell({ kind: 'failed', error: describeError(error) }, () => process.exit(1));
    return new Promise(() => {});
  }

  #obey(order: Order, handle: SocketHandle | undefined): void {
    switch (order.kind) {
      case 'welcome':
        this.#beat = order.beat;
        shareTickets(Buffer.from(order.ticketSecret, 'base64'));
        this.#welcomed();
        break;
      case 'bound':
      case 'unbound':
      case 'refused':
        this.binder.answered(order, handle);
        break;
      case 'take':
        if (handle !== undefined) this.binder.take(order, handle);
        break;
      case 'release':
        this.binder.release(order);
        break;
      case 'do':
        void this.#do(order.task, order.listeners).then((error) => {
          // With the figures as they are now.
          this.#giveSign();
          this.#tell({
            kind: 'done',
            call: order.call,
            ...(error === undefined ? {} : { error: describeError(error) }),
          });
        });
        break;
      case 'stop':
        this.#stop(order.timeout);
        break;
      case 'retire':
        void this.#retire();
        break;
    }
  }

  /** Returns what went wrong. */
  async #do(task: Task, names: readonly string[]): Promise<unknown> {
    const listeners = this.#application?.listeners.filter(({ name }) => names.includes(name)) ?? [];
    const outcomes = await Promise.allSettled(listeners.map((listener) => listener[task]()));
    return outcomes.find((outcome) => outcome.status === 'rejected')?.reason;
  }

  #stop(timeout: number | null | undefined): void {
    // What goes wrong is told at the end.
    void this.#application
      ?.stop(timeout === undefined ? {} : { timeout: timeout ?? Number.POSITIVE_INFINITY })
      .catch(() => {});
  }

  /** Stops, without turning away those who have come to this worker and whose connection is not set up yet. */
  async #retire(): Promise<void> {
    this.binder.unbindAll();
    const isSettingUp = (): boolean => this.#application?.listeners.some(hasArrivals) === true;
    const end = performance.now() + LAST_ARRIVALS;
    while (isSettingUp() && performance.now() < end) await delay(ARRIVALS_CHECK);
    this.#stop(undefined);
  }

  #abandoned(application: ServedApplication): void {
    if (this.#isLeaving) return;
    clearInterval(this.#timer);
    application.logger.warn('the supervisor has ended: stopping');
    application.stop().catch((error: unknown) => {
      application.logger.error({ err: error }, 'the application did not stop cleanly');
    });
  }

  async #leave(application: ServedApplication): Promise<void> {
    this.#tell({ kind: 'draining', shutdown: finite(application.shutdownTimeout) });
    const errors: unknown[] = [];
    await application.stop().catch((error: unknown) => errors.push(error));
    clearInterval(this.#timer);
    this.#giveSign();
    this.#isLeaving = true;
    // The process ends when nothing else keeps it.
    this.#tell({ kind: 'stopped', errors: errors.map((error) => describeError(error)) }, () => {
      if (process.connected) process.disconnect();
    });
  }

  /** Tells that it is alive, and what is new. */
  #giveSign(): void {
    const listeners = this.#application?.listeners ?? [];
    if (listeners.length > 0) this.#counted = listeners;
    const facts = listeners.map((listener) => this.#factsOf(listener));
    const figures = this.#counted.map((listener) => listener.stats());
    this.#tell({
      kind: 'beat',
      inspected: isInspected(),
      ...(this.#facts.isNew(facts) ? { facts } : {}),
      ...(this.#figures.isNew(figures) ? { figures } : {}),
    });
  }

  #factsOf(listener: Listener): ListenerFacts {
    const { name, endpoint, host, secure, cert, maxConnections } = listener;
    return {
      name,
      reagent: this.#reagentOf(listener),
      endpoint,
      host,
      secure,
      cert: cert?.toString(),
      maxConnections: finite(maxConnections),
    };
  }

  #tell(report: Report, told: () => void = () => {}): void {
    if (process.connected && process.send !== undefined) {
      // That it could not be told, for the supervisor has just ended, is what 'disconnect' is for.
      process.send(enclose(report), undefined, undefined, told);
    } else {
      told();
    }
  }
}

/** Whether clients are being set up, or wait for it. */
function hasArrivals(listener: Listener): boolean {
  const { acceptors, connections } = listener.stats();
  return acceptors.busy + acceptors.waiting + connections.waiting > 0;
}

/** Tells whether what is to be told differs from what was told last. */
class Novelty {
  #last = '';

  isNew(value: unknown): boolean {
    const text = JSON.stringify(value);
    if (text === this.#last) return false;
    this.#last = text;
    return true;
  }
}

/** A number as JSON has it: `null` for no limit. */
function finite(number: number): number | null {
  return number === Number.POSITIVE_INFINITY ? null : number;
}

function isInspected(): boolean {
  if (!process.features.inspector) return false;
  return process.getBuiltinModule('node:inspector').url() !== undefined;
}
