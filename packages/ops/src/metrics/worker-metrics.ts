import type { WorkerStatus, WorkersStatistics } from '@reagent/core';
import { Counter, Gauge, type Registry } from 'prom-client';

const statuses: readonly WorkerStatus[] = ['starting', 'listening', 'draining', 'stopped', 'hung', 'died'];

/** What concerns the worker processes themselves. */
export class WorkerMetrics {
  readonly #status: Gauge;
  readonly #restarts: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#status = new Gauge({
      name: 'reagent_worker_status',
      help: 'The status of a worker: 1 for the one it has, 0 for the others.',
      labelNames: ['worker', 'status'],
      registers,
    });
    this.#restarts = new Counter({
      name: 'reagent_worker_restarts_total',
      help: 'How many processes of a worker have died and were replaced.',
      labelNames: ['worker'],
      registers,
    });
  }

  update({ processes }: WorkersStatistics): void {
    this.#status.reset();
    this.#restarts.reset();
    /** Of two with one number, the one that replaces the other is told last. */
    const restarts = new Map<string, number>();
    for (const { id, status, restarts: count } of processes) {
      const worker = String(id);
      for (const each of statuses) this.#status.inc({ worker, status: each }, each === status ? 1 : 0);
      restarts.set(worker, count);
    }
    for (const [worker, count] of restarts) this.#restarts.inc({ worker }, count);
  }
}
