import { hostname } from 'node:os';
import type { Application, WorkerStatistics, WorkersStatistics } from '@reagent/core';
import type { DelaySummary } from './event-loop-delay.js';
import { figuresOf, type ListenerFigures } from './figures.js';
import { type Readiness, readinessOf } from './readiness.js';
import type { Recorder, Sample } from './recorder.js';
import { versions } from './versions.js';
import type { WorkerCondition } from './workers/messages.js';
import type { WorkerSurvey } from './workers/worker-survey.js';

/** A worker process, and how it is; without a condition as long as it has told nothing of it, or not for long enough. */
export interface WorkerReport extends WorkerStatistics {
  readonly condition?: WorkerCondition;
}

/** The workers of an application. */
export interface WorkersReport extends WorkersStatistics {
  readonly processes: readonly WorkerReport[];
}

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
  /** Milliseconds, over the last seconds; where there are workers, those of the one that was latest. */
  readonly eventLoopDelay: DelaySummary;
  /** In JSON, a `maxConnections` without limit is `null`. */
  readonly listeners: readonly ListenerFigures[];
  /** Where there are workers: then `process` is that of their supervisor, and the figures of listeners are the workers' sum. */
  readonly workers?: WorkersReport;
  /** Those after the moment that the request names; without one, none. */
  readonly samples?: readonly Sample[];
}

/** Makes reports on an application. */
export class Reporter {
  readonly #application: Application;
  readonly #recorder: Recorder;
  readonly #title: string;
  readonly #survey: WorkerSurvey | undefined;
  readonly #started = Date.now();

  /** @param survey where there are workers */
  constructor(application: Application, recorder: Recorder, title: string, survey: WorkerSurvey | undefined) {
    this.#application = application;
    this.#recorder = recorder;
    this.#title = title;
    this.#survey = survey;
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
      ...(workers === undefined ? {} : { workers: this.#conditioned(workers) }),
    };
  }

  #conditioned(workers: WorkersStatistics): WorkersReport {
    const processes = workers.processes.map((worker) => {
      const condition = this.#survey?.condition(worker.pid);
      return condition === undefined ? worker : { ...worker, condition };
    });
    return { ...workers, processes };
  }
}
