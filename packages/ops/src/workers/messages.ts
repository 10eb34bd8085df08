// What the supervisor that serves operations and its workers tell each other, over the channel that node:cluster gives them, in an
// envelope: others have messages of their own on it.

import { deserialize, serialize } from 'node:v8';
import type { MetricObjectWithValues, MetricValue } from 'prom-client';
import type { DelaySummary } from '../event-loop-delay.js';

/** How a worker process is, besides what its listeners count. */
export interface WorkerCondition {
  /** Of one core, over the last second: 0 to 1, and more where several threads work. */
  readonly cpu: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  /** Milliseconds, over the last second. */
  readonly eventLoopDelay: DelaySummary;
}

/** The metrics of a registry, as the library gives them to be sent elsewhere. */
export type Metrics = readonly MetricObjectWithValues<MetricValue<string>>[];

/** From the supervisor. */
export interface Question {
  readonly kind: 'metrics';
  readonly ask: number;
}

/** From a worker. */
export type Message =
  | { readonly kind: 'condition'; readonly condition: WorkerCondition }
  /** The answer to a question. */
  | { readonly kind: 'metrics'; readonly ask: number; readonly worker: number; readonly metrics: string }
  /** It could not be answered: a metric of the application's own cannot be collected, most likely. */
  | { readonly kind: 'failed'; readonly ask: number; readonly reason: string };

export function enclose(message: Question | Message): object {
  return { reagentOps: message };
}

/** The message in an envelope; `undefined` if something else has come. */
export function open<T extends Question | Message>(received: unknown): T | undefined {
  if (typeof received !== 'object' || received === null || !('reagentOps' in received)) return undefined;
  return received.reagentOps as T;
}

/** As text: the channel is one for JSON, which has neither infinity nor NaN. */
export function pack(metrics: Metrics): string {
  return serialize(metrics).toString('base64');
}

export function unpack(text: string): Metrics {
  return deserialize(Buffer.from(text, 'base64')) as Metrics;
}
