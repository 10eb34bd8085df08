import cluster, { type Worker } from 'node:cluster';
import { StateError } from '@reagent/core';
import type { DelaySummary } from '../event-loop-delay.js';
import { enclose, type Message, type Metrics, open, unpack, type WorkerCondition } from './messages.js';

/** How long workers have to answer, in milliseconds. One that is blocked is left out, or it would keep the others' figures back. */
const PATIENCE = 1_000;

/** The metrics of one worker process. */
export interface WorkerMetricsReport {
  readonly worker: number;
  readonly metrics: Metrics;
}

/** A question to all workers: who has not answered it, and what the others have said. */
interface Inquiry {
  readonly asked: Set<Worker>;
  readonly answers: WorkerMetricsReport[];
  readonly tellOver: () => void;
  failure: string | undefined;
}

/** The supervisor's end of the lines to its workers. */
export class WorkerSurvey {
  /** What each worker has told last. Who is in here, answers. */
  readonly #conditions = new Map<Worker, WorkerCondition>();
  readonly #inquiries = new Map<number, Inquiry>();
  #lastAsk = 0;

  constructor() {
    cluster.on('message', this.#received);
    cluster.on('disconnect', this.#left);
    cluster.on('exit', this.#left);
  }

  dispose(): void {
    cluster.off('message', this.#received);
    cluster.off('disconnect', this.#left);
    cluster.off('exit', this.#left);
    for (const worker of [...this.#conditions.keys()]) this.#left(worker);
  }

  /** What the process of that id has told last; `undefined` until it does. */
  condition(pid: number | undefined): WorkerCondition | undefined {
    for (const [worker, condition] of this.#conditions) if (worker.process.pid === pid) return condition;
    return undefined;
  }

  /** How late the event loop of the latest worker was: what the least fortunate client waits. */
  get eventLoopDelay(): DelaySummary {
    const worst = { p50: 0, p99: 0, max: 0 };
    for (const { eventLoopDelay } of this.#conditions.values()) {
      worst.p50 = Math.max(worst.p50, eventLoopDelay.p50);
      worst.p99 = Math.max(worst.p99, eventLoopDelay.p99);
      worst.max = Math.max(worst.max, eventLoopDelay.max);
    }
    return worst;
  }

  /**
   * The metrics of all workers that answer in time.
   *
   * @throws StateError if one of them cannot collect its metrics
   */
  async metrics(): Promise<readonly WorkerMetricsReport[]> {
    const asked = new Set([...this.#conditions.keys()].filter((worker) => worker.isConnected()));
    if (asked.size === 0) return [];
    const ask = ++this.#lastAsk;
    let timer: NodeJS.Timeout | undefined;
    const inquiry = await new Promise<Inquiry>((resolve) => {
      const opened: Inquiry = { asked, answers: [], tellOver: () => resolve(opened), failure: undefined };
      this.#inquiries.set(ask, opened);
      timer = setTimeout(opened.tellOver, PATIENCE);
      // A worker that cannot be told any more has left, or is about to.
      for (const worker of asked) worker.send(enclose({ kind: 'metrics', ask }), () => {});
    });
    clearTimeout(timer);
    this.#inquiries.delete(ask);
    if (inquiry.failure !== undefined) throw new StateError(inquiry.failure);
    return inquiry.answers;
  }

  readonly #received = (worker: Worker, received: unknown): void => {
    const message = open<Message>(received);
    if (message === undefined) return;
    if (message.kind === 'condition') {
      this.#conditions.set(worker, message.condition);
      return;
    }
    const inquiry = this.#inquiries.get(message.ask);
    if (inquiry === undefined) return;
    if (message.kind === 'metrics') inquiry.answers.push({ worker: message.worker, metrics: unpack(message.metrics) });
    else inquiry.failure = `a worker cannot collect its metrics: ${message.reason}`;
    settle(inquiry, worker);
  };

  readonly #left = (worker: Worker): void => {
    this.#conditions.delete(worker);
    for (const inquiry of this.#inquiries.values()) settle(inquiry, worker);
  };
}

function settle(inquiry: Inquiry, worker: Worker): void {
  inquiry.asked.delete(worker);
  if (inquiry.asked.size === 0) inquiry.tellOver();
}
