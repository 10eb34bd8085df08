import type { Application, ListenerStatistics } from '@reagent/core';

/** What a listener counts, with the limits that the counts are measured against. */
export interface ListenerFigures extends ListenerStatistics {
  /** Whether its connections are encrypted from their beginning. */
  readonly secure: boolean;
  /** `Infinity` where there is no limit. */
  readonly maxConnections: number;
}

/** The figures of all listeners at this moment, in the order in which they were bound. */
export function figuresOf(application: Application): ListenerFigures[] {
  const { listeners } = application.stats();
  return application.listeners.flatMap(({ name, secure, maxConnections }) => {
    const statistics = listeners[name];
    return statistics === undefined ? [] : [{ ...statistics, secure, maxConnections }];
  });
}

/** The sum of counts that are kept apart by reason. */
export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
