// The last minutes, so that who opens the page because something has just happened sees it.

import type { Application, RejectReason } from '@reagent/core';
import { type DelaySummary, EventLoopDelay } from './event-loop-delay.js';
import { figuresOf, type ListenerFigures, sum } from './figures.js';
import type { WorkerSurvey } from './workers/worker-survey.js';

/** How far back samples go, in milliseconds. */
export const SPAN = 300_000;

/** Milliseconds between two samples while somebody looks. */
const WATCHED_INTERVAL = 1_000;

/** And while nobody does: taking one means to look at each connection. */
const UNWATCHED_INTERVAL = 5_000;

/** Who has not asked for so many milliseconds has gone. */
const ATTENTION = 15_000;

/** A listener's figures in a sample; counts are since it started. */
export interface ListenerSample {
  readonly active: number;
  readonly waiting: number;
  readonly busy: number;
  readonly accepted: number;
  /** The reasons for which any were rejected. */
  readonly rejected: Readonly<Partial<Record<RejectReason, number>>>;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly handlerErrors: number;
  readonly handshakesFailed: number;
}

/** The application's figures at one moment. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly listeners: Readonly<Record<string, ListenerSample>>;
  /** Since the sample before; where there are workers, that of the one that was latest, over a second. */
  readonly eventLoopDelay: DelaySummary;
  /** Seconds of CPU time that the process has used so far. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** Takes samples of an application's figures, and keeps those of the last minutes. */
export class Recorder {
  readonly #application: Application;
  readonly #delay = new EventLoopDelay();
  readonly #delayed: (seconds: number) => void;
  readonly #survey: WorkerSurvey | undefined;
  #samples: Sample[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lastAsked = -Infinity;

  /**
   * @param delayed is told every delay of this process's event loop, in seconds
   * @param survey where there are workers
   */
  constructor(application: Application, delayed: (seconds: number) => void, survey?: WorkerSurvey) {
    this.#application = application;
    this.#delayed = delayed;
    this.#survey = survey;
    // The first has nothing in it, and all that happens from now on is more than that.
    this.#record();
  }

  /** How late the event loop was in the time before the last sample. */
  get eventLoopDelay(): DelaySummary {
    return this.#survey?.eventLoopDelay ?? this.#delay.latest;
  }

  /** The samples after a moment, the oldest first. From now on somebody looks. */
  since(time: number): readonly Sample[] {
    const wasWatched = this.#isWatched;
    this.#lastAsked = performance.now();
    if (!wasWatched) this.#hurry();
    return this.#samples.filter((sample) => sample.time > time);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#delay.dispose();
  }

  get #isWatched(): boolean {
    return performance.now() - this.#lastAsked < ATTENTION;
  }

  /** Somebody has begun to look: a second may not pass without a sample. */
  #hurry(): void {
    const age = Date.now() - (this.#samples.at(-1)?.time ?? 0);
    if (age >= WATCHED_INTERVAL) this.#record();
    else this.#next(WATCHED_INTERVAL - age);
  }

  #next(interval: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#record(), interval).unref();
  }

  #record(): void {
    for (const milliseconds of this.#delay.drain()) this.#delayed(milliseconds / 1_000);
    const time = Date.now();
    const { user, system } = process.cpuUsage();
    this.#samples = this.#samples.filter((sample) => sample.time > time - SPAN);
    this.#samples.push({
      time,
      listeners: Object.fromEntries(figuresOf(this.#application).map((figures) => [figures.name, sampleOf(figures)])),
      eventLoopDelay: this.eventLoopDelay,
      cpuSeconds: (user + system) / 1e6,
      residentBytes: process.memoryUsage.rss(),
    });
    this.#next(this.#isWatched ? WATCHED_INTERVAL : UNWATCHED_INTERVAL);
  }
}

function sampleOf({ acceptors, connections, bytes, messages, tls, handlerErrors }: ListenerFigures): ListenerSample {
  return {
    active: connections.active,
    waiting: connections.waiting,
    busy: acceptors.busy,
    accepted: connections.accepted,
    rejected: Object.fromEntries(Object.entries(connections.rejected).filter(([, count]) => count > 0)),
    bytesIn: bytes.in,
    bytesOut: bytes.out,
    messagesIn: messages.in,
    messagesOut: messages.out,
    handlerErrors,
    handshakesFailed: sum(tls.failed),
  };
}
