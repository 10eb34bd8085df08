// The public surface of @reagent/ops, and nothing else.

export { Counter, Gauge, Histogram, Registry, Summary } from 'prom-client';
export type { DelaySummary } from './event-loop-delay.js';
export type { ListenerFigures } from './figures.js';
export { Ops } from './ops.js';
export { OpsServer } from './ops-server.js';
export { OpsOptions } from './options.js';
export type { Readiness } from './readiness.js';
export type { ListenerSample, Sample } from './recorder.js';
export type { OperationsReport, WorkerReport, WorkersReport } from './report.js';
export type { WorkerCondition } from './workers/messages.js';
