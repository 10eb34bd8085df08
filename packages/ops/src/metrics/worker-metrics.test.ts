// The metrics of an application with workers, as its supervisor knows them.

import type { Application, ListenerStatistics, WorkerStatistics } from '@reagent/core';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { parseExposition, sampleValue } from '../../test/support/exposition.js';
import { figuresOf } from '../figures.js';
import { ApplicationMetrics } from './application-metrics.js';

const counts = (active: number, accepted: number): ListenerStatistics =>
  ({
    name: 'Echo',
    status: 'listening',
    acceptors: { size: 100, busy: 0, waiting: 0 },
    connections: { active, waiting: 0, accepted, rejected: { wait: accepted }, closed: { client: 0 } },
    bytes: { in: 0, out: 0 },
    messages: { in: 0, out: 0 },
    tls: { handshakes: 0, resumed: 0, failed: {} },
    handlerErrors: 0,
  }) as unknown as ListenerStatistics;

const processes: readonly WorkerStatistics[] = [
  { id: 1, pid: 11, status: 'draining', restarts: 2, listeners: { Echo: counts(1, 10) } },
  { id: 1, pid: 12, status: 'starting', restarts: 2, listeners: { Echo: counts(2, 20) } },
  { id: 2, pid: 13, status: 'listening', restarts: 0, listeners: { Echo: counts(4, 40) } },
  { id: 3, pid: undefined, status: 'died', restarts: 5, listeners: {} },
];

const supervisor = {
  listeners: [{ name: 'Echo', secure: false, maxConnections: 100, status: 'listening' }],
  stats: () => ({ listeners: { Echo: counts(7, 70) }, workers: { accept: 'shared', processes } }),
} as unknown as Application;

it('are told for each worker, and for two of one number together', async () => {
  const registry = new Registry();
  const metrics = new ApplicationMetrics(supervisor, registry);
  metrics.update();
  metrics.update();
  const found = parseExposition(await registry.metrics(), 'text');
  const value = (name: string, labels: Record<string, string>) => sampleValue(found, name, labels);
  const [one, two] = [
    { listener: 'Echo', worker: '1' },
    { listener: 'Echo', worker: '2' },
  ];
  expect(value('reagent_connections_active', one)).toBe(3);
  expect(value('reagent_connections_active', two)).toBe(4);
  expect(value('reagent_connections_active', { listener: 'Echo' })).toBeUndefined();
  expect(value('reagent_connections_limit', two)).toBe(50);
  expect(value('reagent_connections_rejected_total', { ...one, reason: 'wait' })).toBe(30);
  expect(value('reagent_worker_status', { worker: '1', status: 'draining' })).toBe(1);
  expect(value('reagent_worker_status', { worker: '1', status: 'starting' })).toBe(1);
  expect(value('reagent_worker_status', { worker: '2', status: 'draining' })).toBe(0);
  expect(value('reagent_worker_status', { worker: '3', status: 'died' })).toBe(1);
  expect(value('reagent_worker_restarts_total', { worker: '1' })).toBe(2);
  expect(value('reagent_worker_restarts_total', { worker: '3' })).toBe(5);
});

it('are not there where there are no workers', async () => {
  const registry = new Registry();
  const alone = { listeners: [], stats: () => ({ listeners: {} }) } as unknown as Application;
  new ApplicationMetrics(alone, registry).update();
  expect(await registry.metrics()).not.toContain('worker');
});

it('have the limits of all workers together', () => {
  expect(figuresOf(supervisor)).toMatchObject([{ name: 'Echo', maxConnections: 100, connections: { active: 7 } }]);
});
