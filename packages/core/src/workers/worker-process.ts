import cluster, { type Worker } from 'node:cluster';
import { ReagentError, StateError } from '../errors.js';
import { channels } from '../telemetry/channels.js';
import type { Logger } from '../telemetry/logger.js';
import type { ListenerStatistics, WorkerStatus } from '../telemetry/statistics.js';
import { startTimer } from '../timer.js';
import type { SocketHandle } from '../transport/bound-socket.js';
import { restoreError } from './error-report.js';
import { enclose, type ListenerFacts, type Order, open, PROTOCOL, type Report, type Task } from './messages.js';
import type { SocketUser } from './shared-sockets.js';
import { WORKER_VARIABLE } from './worker-link.js';

/** How long a worker that was asked to end may take before it is killed, in milliseconds. */
const KILL_GRACE = 2_000;

/** How long a worker may take to stop beyond the time that its connections have, for what it disposes; in milliseconds. */
const DISPOSAL = 10_000;

/** How long a process may go on after its application has stopped, in milliseconds. */
const LAST_WORDS = 10_000;

/** How long after its end messages of a process may still come, in milliseconds: the system tells of the one and of the others as it likes. */
const LATE_MESSAGES = 1_000;

/** Who is told of a worker. */
export interface WorkerObserver {
  asked(worker: WorkerProcess, question: Extract<Report, { readonly kind: 'bind' }>): void;
  released(worker: WorkerProcess, socket: number): void;
  /** It has another status. */
  changed(worker: WorkerProcess): void;
  /** It cannot be told anything any more, most likely since it is about to end. */
  lost(worker: WorkerProcess): void;
  /** There are new figures. */
  counted(worker: WorkerProcess): void;
  /** The process is over. Called once, after all that it has told. */
  ended(worker: WorkerProcess): void;
}

/** What a worker is told when it arrives. */
export interface Welcome {
  /** Between two signs of life, in milliseconds. */
  readonly beat: number;
  readonly ticketSecret: Uint8Array;
  /** How long it may take until it listens, in milliseconds. */
  readonly startTimeout: number;
}

/** A worker process, as its supervisor sees it. */
export class WorkerProcess implements SocketUser {
  readonly id: number;
  readonly pid: number | undefined;
  /** Resolves when it listens; rejects if it does not come to that. */
  readonly ready: Promise<void>;
  /** Resolves when the process is over. */
  readonly over: Promise<void>;
  facts: readonly ListenerFacts[] = [];
  figures: readonly ListenerStatistics[] = [];
  /** The listeners that it was not given a socket for, since they are suspended. */
  readonly unbound = new Set<string>();
  /** Why it does not come up. */
  failure: Error | undefined;
  /** What went wrong when its application stopped. */
  readonly errors: Error[] = [];
  /** When it gave its last sign of life, as `performance.now()` tells. */
  lastHeard = performance.now();
  /** How it has ended; `null` as a code if it was killed. */
  exit: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined;
  readonly #worker: Worker;
  readonly #observer: WorkerObserver;
  readonly #logger: Logger;
  readonly #welcome: Welcome;
  #status: WorkerStatus = 'starting';
  #listeningSince: number | undefined;
  #isInspected = false;
  #isOver = false;
  /** Whether it was told to end before it listened. */
  #isUnwanted = false;
  #hasStopped = false;
  /** The least time that it was ordered to stop in, in milliseconds. */
  #ordered: number | undefined;
  /** Kills it when its time is up. */
  #guard: NodeJS.Timeout | undefined;
  #starting: NodeJS.Timeout | undefined;
  #tellReady: () => void = () => undefined;
  #tellFailed: (error: Error) => void = () => undefined;
  #tellOver: () => void = () => undefined;
  readonly #calls = new Map<number, (error: Error | undefined) => void>();
  #lastCall = 0;

  constructor(id: number, observer: WorkerObserver, logger: Logger, welcome: Welcome) {
    this.id = id;
    this.#observer = observer;
    this.#logger = logger;
    this.#welcome = welcome;
    this.ready = new Promise((resolve, reject) => {
      this.#tellReady = resolve;
      this.#tellFailed = reject;
    });
    // Whoever does not ask learns it from `ended`.
    this.ready.catch(() => {});
    this.over = new Promise((resolve) => {
      this.#tellOver = resolve;
    });
    this.#worker = cluster.fork({ [WORKER_VARIABLE]: String(id) });
    this.pid = this.#worker.process.pid;
    this.#worker.on('message', (received: unknown) => {
      const report = open<Report>(received);
      if (report !== undefined && !this.#isOver) this.#heard(report);
    });
    this.#worker.on('error', (error) => this.#failed(error));
    this.#worker.on('disconnect', () => this.#unreachable());
    this.#worker.on('exit', (code: number | null, signal: NodeJS.Signals | null) => this.#exited(code, signal));
    this.#starting = startTimer(welcome.startTimeout, () => this.#tooSlow());
    this.#tell();
  }

  get status(): WorkerStatus {
    return this.#status;
  }

  get serves(): boolean {
    return this.#status === 'listening' && this.#worker.isConnected();
  }

  /** Whether it has ended as it should. */
  get hasEndedWell(): boolean {
    return this.#isUnwanted || (this.#status === 'stopped' && this.exit?.code === 0);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** How long it has served, in milliseconds. */
  get age(): number {
    return this.#listeningSince === undefined ? 0 : performance.now() - this.#listeningSince;
  }

  /** How long it has given no sign of life, in milliseconds, where that means something: not while it starts, or is looked at. */
  silence(now: number): number {
    const mayBeSilent = this.#isInspected || this.#isOver || this.#hasStopped || !this.#worker.isConnected();
    return mayBeSilent || this.#status === 'starting' || this.#status === 'hung' ? 0 : now - this.lastHeard;
  }

  give(order: Order, handle?: SocketHandle): void {
    // A worker that cannot be told any more is about to end, which is told by itself.
    if (this.#worker.isConnected()) this.#worker.send(enclose(order), handle as never, () => {});
  }

  /** Has it do something with its listeners of these names. Rejects with what went wrong. */
  do(task: Task, listeners: readonly string[]): Promise<void> {
    if (!this.serves) return Promise.resolve();
    const call = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      this.#calls.set(call, (error) => (error === undefined ? resolve() : reject(error)));
      this.give({ kind: 'do', task, call, listeners });
    });
  }

  /**
   * Has it stop; if it is still starting, it is ended. Resolves when the process is over.
   *
   * @param timeout milliseconds for its connections, if not what their listeners say
   */
  stop(timeout?: number): Promise<void> {
    if (this.#status === 'starting') {
      this.#isUnwanted = true;
      this.terminate();
    } else if (this.#status !== 'hung') {
      this.give({ kind: 'stop', timeout: timeout === Number.POSITIVE_INFINITY ? null : timeout });
      if (timeout !== undefined && timeout < (this.#ordered ?? Number.POSITIVE_INFINITY)) {
        this.#ordered = timeout;
        this.#isToStopWithin(timeout);
      }
    }
    return this.over;
  }

  /** Has it stop, since another one serves in its place. Resolves when the process is over. */
  retire(): Promise<void> {
    if (this.#status !== 'listening') return this.stop();
    this.give({ kind: 'retire' });
    this.#become('draining');
    return this.over;
  }

  /** It does not act any more. Ends it, and kills it if that takes too long. */
  giveUp(): void {
    this.#become('hung');
    this.terminate();
  }

  terminate(): void {
    this.kill('SIGTERM');
    this.#guarded(KILL_GRACE, undefined);
  }

  kill(signal: NodeJS.Signals): void {
    if (this.exit === undefined) this.#worker.process.kill(signal);
  }

  #heard(report: Report): void {
    this.lastHeard = performance.now();
    switch (report.kind) {
      case 'hello':
        this.#greet(report.protocol);
        break;
      case 'bind':
        this.#observer.asked(this, report);
        break;
      case 'released':
        this.#observer.released(this, report.socket);
        break;
      case 'beat':
        this.#isInspected = report.inspected;
        this.facts = report.facts ?? this.facts;
        this.figures = report.figures ?? this.figures;
        this.#observer.counted(this);
        break;
      case 'ready':
        clearTimeout(this.#starting);
        this.#listeningSince = performance.now();
        if (this.#status === 'starting') this.#become('listening');
        this.#tellReady();
        break;
      case 'failed':
        this.#failed(restoreError(report.error));
        break;
      case 'done':
        this.#calls.get(report.call)?.(report.error === undefined ? undefined : restoreError(report.error));
        this.#calls.delete(report.call);
        break;
      case 'draining':
        this.#isToStopWithin(this.#ordered ?? report.shutdown ?? Number.POSITIVE_INFINITY);
        if (this.#status === 'listening') this.#become('draining');
        break;
      case 'stopped':
        this.errors.push(...report.errors.map(restoreError));
        this.#hasStopped = true;
        this.#guarded(
          LAST_WORDS,
          'its application has stopped, but something else keeps the process: a timer, a socket',
        );
        break;
    }
  }

  #greet(protocol: number): void {
    const { beat, ticketSecret } = this.#welcome;
    if (protocol === PROTOCOL) {
      this.give({ kind: 'welcome', beat, ticketSecret: Buffer.from(ticketSecret).toString('base64') });
      return;
    }
    this.#failed(
      new StateError(
        'this worker has another version of reagent than its supervisor: restart the application as a whole',
      ),
    );
    this.terminate();
  }

  #become(status: WorkerStatus): void {
    this.#status = status;
    this.#tell();
    this.#observer.changed(this);
  }

  #tell(): void {
    if (!channels.workerStatus.hasSubscribers) return;
    const { id, pid, status, exit } = this;
    channels.workerStatus.publish({ id, pid, status, code: exit?.code, signal: exit?.signal });
  }

  #failed(error: Error): void {
    clearTimeout(this.#starting);
    this.failure = error;
    this.#tellFailed(error);
    // It could not even be started.
    if (this.pid === undefined) this.#end();
  }

  #tooSlow(): void {
    const { startTimeout } = this.#welcome;
    this.#failed(new ReagentError('ERR_REAGENT_WORKER', `worker ${this.id} did not listen within ${startTimeout} ms`));
    this.terminate();
  }

  #unreachable(): void {
    for (const settle of this.#calls.values()) settle(new StateError(`worker ${this.id} has ended`));
    this.#calls.clear();
    this.#observer.lost(this);
    if (this.exit !== undefined) return this.#end();
    // It goes on without us, and so stops.
    const timer = setTimeout(() => {
      if (this.exit === undefined && this.#status === 'listening') this.#become('draining');
    }, LATE_MESSAGES);
    void this.over.then(() => clearTimeout(timer));
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    this.exit = { code, signal };
    clearTimeout(this.#guard);
    if (!this.#worker.isConnected()) this.#end();
    else setTimeout(() => this.#end(), LATE_MESSAGES).unref();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#starting);
    clearTimeout(this.#guard);
    const how = this.exit?.signal ?? `code ${this.exit?.code}`;
    this.#tellFailed(
      new ReagentError('ERR_REAGENT_WORKER', `worker ${this.id} has ended with ${how} before it listened`),
    );
    const asWanted = this.#hasStopped || this.#isUnwanted || this.#status === 'draining';
    this.#status = asWanted ? 'stopped' : 'died';
    this.#tell();
    this.#observer.ended(this);
    this.#tellOver();
  }

  #isToStopWithin(time: number): void {
    if (!this.#hasStopped) this.#guarded(time + DISPOSAL, 'it has not stopped in time');
  }

  /** Kills it after a time, unless it has ended by then or gets another one. */
  #guarded(time: number, why: string | undefined): void {
    clearTimeout(this.#guard);
    this.#guard = startTimer(time, () => {
      if (why !== undefined) this.#logger.warn({ worker: this.id, pid: this.pid }, `killing a worker: ${why}`);
      this.kill('SIGKILL');
    });
  }
}
