import type { Application, ApplicationStatistics, ListenerStatistics } from '@reagent/core';

/** What a listener counts, with the limits that the counts are measured against. */
export interface ListenerFigures extends ListenerStatistics {
  /** Whether its connections are encrypted from their beginning. */
  readonly secure: boolean;
  /** `Infinity` where there is no limit. */
  readonly maxConnections: number;
}

/** A listener's figures in one worker process. */
export interface WorkerFigures extends ListenerFigures {
  /** The worker's number; `undefined` where there are no workers. */
  readonly worker: string | undefined;
}

/** The workers of an application. */
export type Workers = NonNullable<ApplicationStatistics['workers']>;

/** The figures of all listeners at this moment, in the order in which they were bound; those of workers added up, their limits too. */
export function figuresOf(application: Application): ListenerFigures[] {
  const { listeners, workers } = application.stats();
  return application.listeners.flatMap(({ name, secure, maxConnections }) => {
    const statistics = listeners[name];
    if (statistics === undefined) return [];
    const processes = workers?.processes.filter((worker) => worker.listeners[name] !== undefined).length ?? 1;
    return [{ ...statistics, secure, maxConnections: maxConnections * Math.max(1, processes) }];
  });
}

/** The same for each worker by itself; without workers, for the process. */
export function figuresOfWorkers(application: Application): WorkerFigures[] {
  const { workers } = application.stats();
  if (workers === undefined) return figuresOf(application).map((figures) => ({ ...figures, worker: undefined }));
  return workers.processes.flatMap(({ id, listeners }) =>
    application.listeners.flatMap(({ name, secure, maxConnections }) => {
      const statistics = listeners[name];
      return statistics === undefined ? [] : [{ ...statistics, secure, maxConnections, worker: String(id) }];
    }),
  );
}

/** The sum of counts that are kept apart by reason. */
export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
