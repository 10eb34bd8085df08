import type { Application, ListenerStatus } from '@reagent/core';
import { Counter, Gauge, type Registry } from 'prom-client';
import { figuresOfWorkers, type ListenerFigures, sum, type WorkerFigures } from '../figures.js';
import { readinessOf } from '../readiness.js';
import { versions } from '../versions.js';
import { WorkerMetrics } from './worker-metrics.js';

/** A metric with one value a listener, or one for each reason that something happened for. */
interface Figure {
  readonly name: string;
  readonly help: string;
  /** `undefined` where it does not apply to the listener. */
  readonly value: (listener: ListenerFigures) => number | Readonly<Record<string, number>> | undefined;
}

const gauges: readonly Figure[] = [
  {
    name: 'reagent_connections_active',
    help: 'Connections admitted and not yet closed, those being set up included.',
    value: ({ connections }) => connections.active,
  },
  {
    name: 'reagent_connections_limit',
    help: 'Connections that may be open at a time (maxConnections).',
    value: ({ maxConnections }) => maxConnections,
  },
  {
    name: 'reagent_connections_waiting',
    help: 'Clients in the queue for room under maxConnections.',
    value: ({ connections }) => connections.waiting,
  },
  {
    name: 'reagent_acceptors',
    help: 'Acceptors: connections that may be set up at the same time.',
    value: ({ acceptors }) => acceptors.size,
  },
  {
    name: 'reagent_acceptors_busy',
    help: 'Connections being set up.',
    value: ({ acceptors }) => acceptors.busy,
  },
  {
    name: 'reagent_acceptors_waiting',
    help: 'Admitted connections that wait for an acceptor.',
    value: ({ acceptors }) => acceptors.waiting,
  },
];

const counters: readonly Figure[] = [
  {
    name: 'reagent_connections_accepted_total',
    help: 'Connections taken from the kernel, whatever became of them.',
    value: ({ connections }) => connections.accepted,
  },
  {
    name: 'reagent_connections_rejected_total',
    help: 'Connections turned away before their handler was called, by reason.',
    value: ({ connections }) => connections.rejected,
  },
  {
    name: 'reagent_connections_closed_total',
    help: 'Connections that were served and have closed, by reason.',
    value: ({ connections }) => connections.closed,
  },
  {
    name: 'reagent_received_bytes_total',
    help: 'Bytes received, of open and closed connections.',
    value: ({ bytes }) => bytes.in,
  },
  {
    name: 'reagent_sent_bytes_total',
    help: 'Bytes sent, of open and closed connections.',
    value: ({ bytes }) => bytes.out,
  },
  {
    name: 'reagent_received_messages_total',
    help: 'Messages received, as the codec cuts them.',
    value: ({ messages }) => messages.in,
  },
  {
    name: 'reagent_sent_messages_total',
    help: 'Messages sent, as the codec cuts them.',
    value: ({ messages }) => messages.out,
  },
  {
    name: 'reagent_handler_errors_total',
    help: 'Errors thrown by handlers.',
    value: ({ handlerErrors }) => handlerErrors,
  },
  {
    name: 'reagent_tls_handshakes_total',
    help: 'TLS handshakes that succeeded.',
    value: (listener) => (usesTls(listener) ? listener.tls.handshakes : undefined),
  },
  {
    name: 'reagent_tls_handshakes_resumed_total',
    help: 'TLS handshakes that resumed an earlier session, among those that succeeded.',
    value: (listener) => (usesTls(listener) ? listener.tls.resumed : undefined),
  },
  {
    name: 'reagent_tls_handshake_failures_total',
    help: 'TLS handshakes that failed, by reason.',
    value: (listener) => (usesTls(listener) ? listener.tls.failed : undefined),
  },
];

const statuses: readonly ListenerStatus[] = ['starting', 'listening', 'suspended', 'draining', 'stopped'];

/** The metrics of one application in a registry. */
export class ApplicationMetrics {
  readonly #application: Application;
  readonly #registry: Registry;
  readonly #gauges: readonly (readonly [Gauge, Figure['value']])[];
  readonly #counters: readonly (readonly [Counter, Figure['value']])[];
  readonly #ready: Gauge;
  readonly #status: Gauge;
  #workers: WorkerMetrics | undefined;

  constructor(application: Application, registry: Registry) {
    const registers = [registry];
    const labelNames = ['listener', 'worker', 'reason'];
    this.#application = application;
    this.#registry = registry;
    this.#ready = new Gauge({
      name: 'reagent_ready',
      help: 'Whether all listeners listen: 1 or 0.',
      registers,
    });
    this.#status = new Gauge({
      name: 'reagent_listener_status',
      help: 'The status of a listener: 1 for the one it has, 0 for the others.',
      labelNames: ['listener', 'worker', 'status'],
      registers,
    });
    this.#gauges = gauges.map(({ name, help, value }) => [new Gauge({ name, help, labelNames, registers }), value]);
    this.#counters = counters.map(({ name, help, value }) => [
      new Counter({ name, help, labelNames, registers }),
      value,
    ]);
    new Gauge({
      name: 'reagent_build_info',
      help: 'The version of reagent; always 1.',
      labelNames: ['version'],
      registers,
    }).set({ version: versions.core }, 1);
  }

  /** Takes over the application's figures, so that a scrape has them all of one moment. */
  update(): void {
    this.#ready.set(readinessOf(this.#application).ready ? 1 : 0);
    this.#status.reset();
    for (const [gauge] of this.#gauges) gauge.reset();
    for (const [counter] of this.#counters) counter.reset();
    for (const figures of figuresOfWorkers(this.#application)) this.#add(figures);
    const { workers } = this.#application.stats();
    // Whoever has no workers is spared metrics without a value.
    if (workers === undefined) return;
    this.#workers ??= new WorkerMetrics(this.#registry);
    this.#workers.update(workers);
  }

  /** Adds, as there are two workers of one number while one replaces the other. */
  #add(figures: WorkerFigures): void {
    for (const status of statuses) {
      this.#status.inc({ ...labelsOf(figures), status }, status === figures.status ? 1 : 0);
    }
    for (const [gauge, value] of this.#gauges) {
      for (const [labels, count] of valuesOf(figures, value)) gauge.inc(labels, count);
    }
    for (const [counter, value] of this.#counters) {
      for (const [labels, count] of valuesOf(figures, value)) counter.inc(labels, count);
    }
  }
}

type Labels = Readonly<Record<string, string>>;

function labelsOf({ name, worker }: WorkerFigures): Labels {
  return worker === undefined ? { listener: name } : { listener: name, worker };
}

function valuesOf(figures: WorkerFigures, valueIn: Figure['value']): (readonly [Labels, number])[] {
  const value = valueIn(figures);
  const labels = labelsOf(figures);
  if (value === undefined) return [];
  if (typeof value === 'number') return [[labels, value]];
  return Object.entries(value).map(([reason, count]) => [{ ...labels, reason }, count]);
}

/** From the beginning of its connections, or after a command (`startTls()`). */
function usesTls({ secure, tls }: ListenerFigures): boolean {
  return secure || tls.handshakes > 0 || sum(tls.failed) > 0;
}
