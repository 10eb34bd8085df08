import type { Application, ListenerStatistics } from '@reagent/core';

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

/** The figures of all listeners at this moment, in the order in which they were bound; those of workers added up, their limits too. */
export function figuresOf(application: Application): ListenerFigures[] {
  const { listeners } = application.stats();
  return application.listeners.flatMap(({ name, secure, maxConnections }) => {
    const statistics = listeners[name];
    return statistics === undefined ? [] : [{ ...statistics, secure, maxConnections }];
  });
}

/** The same for each worker by itself; without workers, for the process. */
export function figuresOfWorkers(application: Application): WorkerFigures[] {
  const { workers } = application.stats();
  if (workers === undefined) return figuresOf(application).map((figures) => ({ ...figures, worker: undefined }));
  const { processes } = workers;
  return application.listeners.flatMap(({ name, secure, maxConnections }) => {
    const serving = processes.filter(({ listeners }) => listeners[name] !== undefined);
    const numbers = new Set(serving.map(({ id }) => id)).size;
    return serving.flatMap(({ id, listeners }) => {
      const statistics = listeners[name];
      if (statistics === undefined) return [];
      // Each worker has the same limit.
      return [{ ...statistics, secure, maxConnections: maxConnections / numbers, worker: String(id) }];
    });
  });
}

/** The sum of counts that are kept apart by reason. */
export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
