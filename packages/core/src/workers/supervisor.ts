import { randomBytes } from 'node:crypto';
import { ReagentError, StateError } from '../errors.js';
import type { StopOptions } from '../listener/listener.js';
import type { Logger } from '../telemetry/logger.js';
import type { ListenerStatistics, WorkerStatistics, WorkersStatistics } from '../telemetry/statistics.js';
import type { BindTarget } from '../transport/bind.js';
import { describeError } from './error-report.js';
import { HeartWatch } from './heart-watch.js';
import { ListenerLedger } from './listener-ledger.js';
import type { ListenerFacts, Report, Task } from './messages.js';
import { Place } from './place.js';
import { DeathWatch } from './restart-policy.js';
import { SharedSockets } from './shared-sockets.js';
import { type Welcome, type WorkerObserver, WorkerProcess } from './worker-process.js';
import type { CheckedWorkersOptions } from './workers-options.js';

/** Between two signs of life of a worker, at most, in milliseconds. */
const LONGEST_BEAT = 1_000;

/** A worker is silent when so many signs of life have not come. */
const BEATS_MISSED = 4;

/** Bytes of the secret that workers derive the keys of session tickets from. */
const SECRET_LENGTH = 48;

/**
 * The worker processes of an application: starts them, replaces those that die or hang, and has them do as one what an application does.
 *
 * It does not serve, and knows nothing of what they serve but what they tell.
 */
export class Supervisor implements WorkerObserver {
  readonly logger: Logger;
  readonly #options: CheckedWorkersOptions;
  readonly #places: readonly Place[];
  readonly #sockets: SharedSockets;
  readonly #deaths: DeathWatch;
  readonly #welcome: Welcome;
  #state: 'starting' | 'running' | 'stopping' | 'stopped' = 'starting';
  readonly #ledger = new ListenerLedger();
  readonly #hearts: HeartWatch;
  readonly #errors: Error[] = [];
  readonly #audience = new Set<() => void>();
  #reloading: Promise<void> | undefined;
  #reloadingAgain: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #tellOver: () => void = () => undefined;
  /** Resolves when all workers have stopped, for whatever reason; never rejects. */
  readonly over = new Promise<void>((resolve) => {
    this.#tellOver = resolve;
  });

  constructor(options: CheckedWorkersOptions, logger: Logger) {
    this.#options = options;
    this.logger = logger;
    this.#places = Array.from({ length: options.count }, (_, index) => new Place(index + 1));
    this.#sockets = new SharedSockets(options.accept);
    this.#deaths = new DeathWatch(options.maxRestarts, options.within);
    const beat = Math.min(LONGEST_BEAT, options.heartbeat / BEATS_MISSED);
    this.#hearts = new HeartWatch(options.heartbeat, beat);
    this.#welcome = { beat, ticketSecret: randomBytes(SECRET_LENGTH), startTimeout: options.startTimeout };
  }

  /** Binds an address that is known before there are workers. Rejects with the system's error. */
  prepare(listener: string, target: BindTarget): Promise<void> {
    return this.#sockets.prepare(listener, target);
  }

  /** Starts the workers. Resolves when all of them listen; if one does not, it rejects with that one's error, and is to be stopped. */
  async start(): Promise<void> {
    this.#requireStarting();
    const starting = this.#places.map(async (place) => {
      place.current = this.#fork(place);
      await place.current.ready;
    });
    try {
      await Promise.all(starting);
    } finally {
      // Workers that were ended meanwhile would tell of that.
      this.#requireStarting();
    }
    this.#state = 'running';
    this.#hearts.start(
      () => this.#processes,
      (worker, time) => this.#hung(worker, time),
    );
    // Who came up and died before all were up.
    for (const place of this.#places) if (place.current === undefined) this.#restartLater(place, 0);
    this.#settle();
    this.logger.info({ workers: this.#places.length, accept: this.#options.accept }, 'workers listen');
  }

  get state(): 'starting' | 'running' | 'stopping' | 'stopped' {
    return this.#state;
  }

  /** What is known of the listeners that have not stopped, in the order in which they were bound. */
  get facts(): readonly ListenerFacts[] {
    return this.#ledger.facts;
  }

  /** The figures of a listener in all workers; `undefined` while there are none. */
  statistics(listener: string): ListenerStatistics | undefined {
    return this.#ledger.statistics(listener, this.#processes);
  }

  get workers(): WorkersStatistics {
    return { accept: this.#options.accept, processes: this.#places.flatMap((place) => statisticsOf(place)) };
  }

  /** How many connections a listener may have, in all workers together. */
  maxConnections(listener: string): number {
    const limits = this.#places.flatMap(({ current }) => current?.facts.filter(({ name }) => name === listener) ?? []);
    return limits.reduce((sum, { maxConnections }) => sum + (maxConnections ?? Number.POSITIVE_INFINITY), 0);
  }

  /** Calls back whenever there are new figures, until the function that it returns is called. */
  onCounted(listen: () => void): () => void {
    this.#audience.add(listen);
    return () => this.#audience.delete(listen);
  }

  isSuspended(listener: string): boolean {
    return this.#sockets.isSuspended(listener);
  }

  async suspend(listeners: readonly string[]): Promise<void> {
    this.#requireRunning('suspended');
    this.#sockets.suspend(listeners);
    await this.#all('suspend', listeners);
  }

  async resume(listeners: readonly string[]): Promise<void> {
    this.#requireRunning('resumed');
    const suspended = listeners.filter((listener) => this.#sockets.isSuspended(listener));
    this.#sockets.resume(suspended);
    try {
      await this.#all('resume', listeners);
    } catch (error) {
      this.#sockets.suspend(suspended);
      await this.#all('suspend', suspended);
      throw error;
    }
  }

  reloadCertificates(listener: string): Promise<void> {
    return this.#all('reloadCertificates', [listener]);
  }

  /** Has all workers do something. Rejects with what went wrong first, when all are done. */
  async #all(task: Task, listeners: readonly string[]): Promise<void> {
    const outcomes = await Promise.allSettled(this.#processes.map((worker) => worker.do(task, listeners)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /**
   * Replaces the workers, one after the other: first the new one listens, then the old one drains, and when that has ended it is the next
   * one's turn. Asked for during a reload, it takes place after that one; if several ask meanwhile, once for all of them.
   *
   * @throws the error of a worker that does not come up; it and those after it are not replaced then
   */
  reload(): Promise<void> {
    this.#requireRunning('reloaded');
    if (this.#reloading === undefined) {
      this.#reloading = this.#reload().finally(() => {
        this.#reloading = undefined;
      });
      return this.#reloading;
    }
    const again = (): Promise<void> => {
      this.#reloadingAgain = undefined;
      return this.reload();
    };
    this.#reloadingAgain ??= this.#reloading.then(again, again);
    return this.#reloadingAgain;
  }

  async #reload(): Promise<void> {
    let replaced = 0;
    try {
      for (const place of this.#places) {
        await this.#replace(place);
        replaced++;
      }
    } catch (error) {
      this.#requireRunning('reloaded');
      this.logger.warn(
        { replaced, workers: this.#places.length },
        'the reload has ended early: a worker does not come up',
      );
      throw error;
    }
    this.logger.info({ workers: replaced }, 'all workers replaced');
  }

  async #replace(place: Place): Promise<void> {
    this.#requireRunning('reloaded');
    place.cancelRestart();
    let next: WorkerProcess | undefined;
    try {
      next = this.#fork(place);
      place.next = next;
      await next.ready;
    } catch (error) {
      place.next = undefined;
      next?.terminate();
      if (place.current === undefined) this.#restartLater(place, 0);
      throw error;
    }
    const old = place.current;
    place.vacate();
    place.next = undefined;
    // It may have died in the turn in which it came up.
    if (next.isOver) this.#restartLater(place, next.age);
    else place.current = next;
    this.#settle();
    await old?.retire();
  }

  /**
   * Stops all workers. A second call may shorten the time.
   *
   * @throws AggregateError of what went wrong when the workers disposed what they had made
   */
  stop({ timeout }: StopOptions = {}): Promise<void> {
    if (this.#stopped === undefined) this.#stopped = this.#stop(timeout);
    else if (timeout !== undefined) for (const worker of this.#processes) void worker.stop(timeout);
    return this.#stopped;
  }

  async #stop(timeout: number | undefined): Promise<void> {
    this.#state = 'stopping';
    this.#hearts.stop();
    for (const place of this.#places) place.cancelRestart();
    // Before the workers do: who connects from now on is refused as soon as the last worker has let go.
    this.#sockets.close();
    await Promise.all(this.#processes.map((worker) => worker.stop(timeout)));
    this.#state = 'stopped';
    this.#ledger.clear();
    this.#tellCounted();
    this.#tellOver();
    if (this.#errors.length > 0) throw new AggregateError(this.#errors, 'workers did not stop cleanly');
  }

  /** Ends all workers at once, whatever they are doing. */
  kill(): void {
    for (const worker of this.#processes) worker.kill('SIGKILL');
  }

  get #processes(): readonly WorkerProcess[] {
    return this.#places.flatMap(({ processes }) => processes);
  }

  #requireStarting(): void {
    if (this.#state !== 'starting') throw new StateError('the application was stopped while it started');
  }

  #requireRunning(what: string): void {
    if (this.#state === 'running') return;
    throw new StateError(
      `the application ${this.#state === 'starting' ? 'is starting' : 'has been stopped'} and cannot be ${what}`,
    );
  }

  #fork(place: Place): WorkerProcess {
    return new WorkerProcess(place.id, this, this.logger, this.#welcome);
  }

  // What workers tell.

  asked(worker: WorkerProcess, { ask, listener, target }: Extract<Report, { readonly kind: 'bind' }>): void {
    void this.#sockets.share(worker, listener, target).then(
      (share) => {
        if (worker.isOver) return;
        if (share === undefined) {
          worker.unbound.add(listener);
          worker.give({ kind: 'unbound', ask });
          return;
        }
        const { socket, slot, handle } = share;
        this.#sockets.taken(worker, share);
        worker.give({ kind: 'bound', ask, socket, slot }, handle);
      },
      (error: unknown) => worker.give({ kind: 'refused', ask, error: describeError(error) }),
    );
  }

  released(worker: WorkerProcess, socket: number): void {
    this.#sockets.released(worker, socket);
    this.#settle();
  }

  counted(worker: WorkerProcess): void {
    // One that is on its way out may have what those that serve have no more.
    if (worker.status === 'starting' || worker.status === 'listening') this.#ledger.note(worker);
    this.#tellCounted();
  }

  changed(worker: WorkerProcess): void {
    const { status } = worker;
    if (status === 'listening') this.#cameUp(worker);
    const place = this.#placeOf(worker);
    if (status === 'draining' && place.current === worker) {
      place.vacate();
      // A signal to all processes reaches some worker first: by the time of the restart, this process has got it too.
      this.#restartLater(place, worker.age);
    }
    this.#settle();
  }

  #cameUp(worker: WorkerProcess): void {
    void this.#align(worker).catch((error: unknown) => {
      this.logger.error({ worker: worker.id, err: error }, 'a worker could not be suspended or resumed');
    });
    if (this.#state === 'running') this.logger.info({ worker: worker.id, pid: worker.pid }, 'a worker listens');
  }

  /** While it started, listeners may have been suspended or resumed. */
  async #align(worker: WorkerProcess): Promise<void> {
    const suspended = this.facts.map(({ name }) => name).filter((name) => this.#sockets.isSuspended(name));
    const unbound = [...worker.unbound];
    if (suspended.length + unbound.length === 0) return;
    await worker.do('suspend', [...suspended, ...unbound]);
    const resumed = unbound.filter((name) => !this.#sockets.isSuspended(name));
    if (resumed.length > 0) await worker.do('resume', resumed);
    worker.unbound.clear();
  }

  lost(worker: WorkerProcess): void {
    this.#sockets.forget(worker);
    this.#settle();
  }

  ended(worker: WorkerProcess): void {
    const place = this.#placeOf(worker);
    const wasCurrent = place.current === worker;
    this.#sockets.forget(worker);
    this.#errors.push(...worker.errors);
    this.#ledger.depart(worker);
    // Of one that was to be a successor, the reload tells.
    if (!worker.hasEndedWell && (wasCurrent || place.leaving.has(worker))) this.#report(worker);
    place.leaving.delete(worker);
    if (wasCurrent) place.current = undefined;
    if (wasCurrent && this.#state === 'running') this.#died(place, worker);
    this.#settle();
  }

  #report(worker: WorkerProcess): void {
    const { id, pid, status, exit, failure } = worker;
    const fields = {
      worker: id,
      pid,
      code: exit?.code ?? undefined,
      signal: exit?.signal ?? undefined,
      err: failure,
    };
    // `start` rejects with the reason.
    if (this.#state === 'starting') this.logger.debug(fields, 'a worker has ended');
    else if (status === 'stopped') this.logger.warn(fields, 'a worker has stopped, but not cleanly');
    else this.logger.error(fields, failure === undefined ? 'a worker has died' : 'a worker could not be started');
  }

  #died(place: Place, worker: WorkerProcess): void {
    if (this.#isOneTooMany()) return;
    // In a reload, its successor is on its way.
    if (place.isAwaited) return;
    const delay = this.#restartLater(place, worker.age);
    this.logger.info({ worker: place.id, delay }, 'a worker will be started');
  }

  #isOneTooMany(): boolean {
    if (!this.#deaths.count(performance.now())) return false;
    const { maxRestarts, within } = this.#options;
    this.logger.fatal(
      { deaths: maxRestarts + 1, within },
      'workers die too often: ending the application; workers.maxRestarts and workers.within say how often is too often',
    );
    process.exitCode = 1;
    this.stop().catch((error: unknown) => this.#notClean(error));
    return true;
  }

  /** @returns the wait, in milliseconds */
  #restartLater(place: Place, age: number): number | undefined {
    return this.#state === 'running' ? place.restartLater(age, () => this.#restart(place)) : undefined;
  }

  #restart(place: Place): void {
    this.logger.info({ worker: place.id, restarts: place.restarts }, 'starting a worker');
    try {
      place.current = this.#fork(place);
    } catch (error) {
      // The system has no process for us, or no memory.
      this.logger.error({ worker: place.id, err: error }, 'a worker could not be started');
      if (!this.#isOneTooMany()) this.#restartLater(place, 0);
    }
  }

  #settle(): void {
    if (this.#state !== 'running') return;
    const serving = this.#processes.filter(({ serves }) => serves);
    const isComplete = this.#places.every(({ current, next }) => current?.serves === true && next === undefined);
    if (isComplete) this.#ledger.keep(serving);
    this.#sockets.settle(serving, isComplete);
  }

  #notClean(error: unknown): void {
    this.logger.error({ err: error }, 'the workers did not stop cleanly');
  }

  #tellCounted(): void {
    for (const listen of [...this.#audience]) listen();
  }

  #placeOf({ id }: WorkerProcess): Place {
    const place = this.#places[id - 1];
    if (place === undefined) throw new ReagentError('ERR_REAGENT_WORKER', `there is no worker ${id}`);
    return place;
  }

  #hung(worker: WorkerProcess, time: number): void {
    const { id, pid } = worker;
    this.logger.error({ worker: id, pid, silent: Math.round(time) }, 'a worker does not answer: killing it');
    const place = this.#placeOf(worker);
    const wasCurrent = place.current === worker;
    if (wasCurrent) place.vacate();
    this.#sockets.forget(worker);
    worker.giveUp();
    if (wasCurrent) this.#died(place, worker);
  }
}

function statisticsOf(place: Place): WorkerStatistics[] {
  const { id, restarts, processes } = place;
  if (processes.length === 0) return [{ id, pid: undefined, status: 'died', restarts, listeners: {} }];
  return processes.map(({ pid, status, figures }) => ({
    id,
    pid,
    status,
    restarts,
    listeners: Object.fromEntries(figures.map((one) => [one.name, one])),
  }));
}
