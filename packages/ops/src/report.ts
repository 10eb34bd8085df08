import { hostname } from 'node:os';
import type { Application } from '@reagent/core';
import type { DelaySummary } from './event-loop-delay.js';
import { figuresOf, type ListenerFigures, type Workers } from './figures.js';
import { type Readiness, readinessOf } from './readiness.js';
import type { Recorder, Sample } from './recorder.js';
import { versions } from './versions.js';

/** All that the page shows, and what `stats.json` has. */
export interface OperationsReport {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly title: string;
  readonly process: {
    readonly pid: number;
    readonly host: string;
    readonly node: string;
    readonly reagent: string;
    /** When the application was started, in milliseconds since 1970. */
    readonly started: number;
    /** Seconds of CPU time used so far. */
    readonly cpuSeconds: number;
    readonly residentBytes: number;
    readonly heapUsedBytes: number;
  };
  readonly readiness: Readiness;
  /** Milliseconds, over the last seconds. */
  readonly eventLoopDelay: DelaySummary;
  /** In JSON, a `maxConnections` without limit is `null`. */
  readonly listeners: readonly ListenerFigures[];
  /** Where there are workers: then `process` and `eventLoopDelay` are those of their supervisor, and all other figures the workers' sum. */
  readonly workers?: Workers;
  /** Those after the moment that the request names; without one, none. */
  readonly samples?: readonly Sample[];
}

/** Makes reports on an application. */
export class Reporter {
  readonly #application: Application;
  readonly #recorder: Recorder;
  readonly #title: string;
  readonly #started = Date.now();

  constructor(application: Application, recorder: Recorder, title: string) {
    this.#application = application;
    this.#recorder = recorder;
    this.#title = title;
  }

  get readiness(): Readiness {
    return readinessOf(this.#application);
  }

  /** @param since with the samples after that moment, in milliseconds since 1970 */
  report(since?: number): OperationsReport {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    const { workers } = this.#application.stats();
    return {
      time: Date.now(),
      title: this.#title,
      process: {
        pid: process.pid,
        host: hostname(),
        node: process.version,
        reagent: versions.core,
        started: this.#started,
        cpuSeconds: (user + system) / 1e6,
        residentBytes: rss,
        heapUsedBytes: heapUsed,
      },
      readiness: this.readiness,
      // Before it is read: being asked may have a sample taken.
      ...(since === undefined ? {} : { samples: this.#recorder.since(since) }),
      eventLoopDelay: this.#recorder.eventLoopDelay,
      listeners: figuresOf(this.#application),
      ...(workers === undefined ? {} : { workers }),
    };
  }
}
