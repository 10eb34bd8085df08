// The figures of several workers added up.

import type { ListenerStatus } from '../listener/listener.js';
import type { ListenerStatistics } from '../telemetry/statistics.js';

type Figures = { readonly [field: string]: unknown };

/** The status of a listener as a whole is the first of these that it has in some worker. */
const precedence: readonly ListenerStatus[] = ['listening', 'starting', 'suspended', 'draining', 'stopped'];

/** The figures of one listener in several workers, at least one, as if they were one process. */
export function sumStatistics(all: readonly [ListenerStatistics, ...ListenerStatistics[]]): ListenerStatistics {
  const [first] = all;
  const status = precedence.find((candidate) => all.some((one) => one.status === candidate)) ?? first.status;
  const { name, address, port } = first;
  const total = sum(all as readonly object[] as readonly Figures[]) as ListenerStatistics & Figures;
  return { ...total, name, status, address, port };
}

/** Adds up what is a number, however deep it lies, and leaves the rest out. */
function sum(all: readonly Figures[]): Figures {
  const total: Record<string, unknown> = {};
  for (const figures of all) {
    for (const [field, value] of Object.entries(figures)) {
      const before = total[field];
      if (typeof value === 'number') total[field] = value + (typeof before === 'number' ? before : 0);
      else if (isFigures(value)) total[field] = isFigures(before) ? sum([before, value]) : value;
    }
  }
  return total;
}

function isFigures(value: unknown): value is Figures {
  return typeof value === 'object' && value !== null;
}

/** What is left of the figures of a process that has ended: the counts, since they only ever grow. */
export function lastCounts(figures: ListenerStatistics): ListenerStatistics {
  return {
    ...figures,
    status: 'stopped',
    acceptors: { size: 0, busy: 0, waiting: 0 },
    connections: { ...figures.connections, active: 0, waiting: 0 },
  };
}
