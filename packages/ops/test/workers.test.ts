// Operations of an application with workers, which their supervisor serves for all: whole processes.

import { spawnSync } from 'node:child_process';
import { TestClient } from '@reagent/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import type { OperationsReport } from '../src/index.js';
import { launch, open, violations } from './support/browser.js';
import { type Family, parseExposition, sampleValue } from './support/exposition.js';
import { pathOf } from './support/programs.js';
import { until } from './support/until.js';
import { build, WorkersServer } from './support/workers-server.js';

const promtool = pathOf('promtool');
const chromium = pathOf('chromium');

beforeAll(build);

async function scrape({ url }: WorkersServer, accept = 'text/plain'): Promise<string> {
  const response = await fetch(`${url}metrics`, { headers: { accept } });
  expect(response.status).toBe(200);
  return response.text();
}

async function families(server: WorkersServer): Promise<Map<string, Family>> {
  return parseExposition(await scrape(server), 'text');
}

async function report({ url }: WorkersServer): Promise<OperationsReport> {
  return (await (await fetch(`${url}stats.json`)).json()) as OperationsReport;
}

/** A client, and the number of the worker that serves it. */
async function visit({ port }: WorkersServer): Promise<{ client: TestClient; worker: string; pid: number }> {
  const client = await TestClient.connect({ port });
  await client.send('hello');
  const [worker = '', pid = ''] = String(await client.receive(/^\d+ \d+/)).split(' ');
  return { client, worker, pid: Number(pid) };
}

describe('with workers', () => {
  it('the supervisor serves the metrics of all of them, with the number of each', async () => {
    await using server = await WorkersServer.start();
    const { client, worker } = await visit(server);
    const other = worker === '1' ? '2' : '1';
    const value = async (name: string, labels: Record<string, string>) =>
      sampleValue(await families(server), name, labels);
    // What listeners count is told once a second.
    await until(async () => (await value('reagent_connections_active', { listener: 'Echo', worker })) === 1);
    expect(await value('reagent_connections_active', { listener: 'Echo', worker: other })).toBe(0);
    expect(await value('reagent_connections_limit', { listener: 'Echo', worker })).toBe(50);
    expect(await value('reagent_worker_status', { worker, status: 'listening' })).toBe(1);
    // Its own, and those of the application.
    expect(await value('answers_total', { worker })).toBe(1);
    expect(await value('answers_total', { worker: other })).toBe(0);
    const found = await families(server);
    for (const labels of [{}, { worker }, { worker: other }]) {
      expect(sampleValue(found, 'process_resident_memory_bytes', labels)).toBeGreaterThan(10_000_000);
      expect(sampleValue(found, 'process_start_time_seconds', labels)).toBeGreaterThan(1_600_000_000);
      expect(sampleValue(found, 'reagent_event_loop_delay_seconds_count', labels)).toBeGreaterThanOrEqual(0);
    }
    client.destroy();
  });

  it.skipIf(promtool === undefined)(
    `its metrics are as Prometheus wants them${promtool === undefined ? ' (skipped: promtool is not installed)' : ''}`,
    async () => {
      await using server = await WorkersServer.start();
      const check = spawnSync(String(promtool), ['check', 'metrics'], {
        input: await scrape(server),
        encoding: 'utf8',
      });
      expect(check.stdout + check.stderr).toBe('');
      expect(check.status).toBe(0);
    },
  );

  it('gives the same in OpenMetrics', async () => {
    await using server = await WorkersServer.start();
    const found = parseExposition(await scrape(server, 'application/openmetrics-text; version=1.0.0'), 'openmetrics');
    expect(sampleValue(found, 'answers_total', { worker: '1' })).toBe(0);
    // And again in the other format, after it.
    expect(sampleValue(await families(server), 'answers_total', { worker: '2' })).toBe(0);
  });

  it('tells how each worker is, and how late the latest of them', async () => {
    await using server = await WorkersServer.start();
    const { client, pid } = await visit(server);
    expect((await report(server)).workers?.processes).toMatchObject([{ id: 1 }, { id: 2 }]);
    await client.send('spin');
    const spun = async () => {
      const { workers, eventLoopDelay } = await report(server);
      const condition = workers?.processes.find((worker) => worker.pid === pid)?.condition;
      return (condition?.eventLoopDelay.max ?? 0) > 200 && eventLoopDelay.max === condition?.eventLoopDelay.max
        ? condition
        : undefined;
    };
    await until(async () => (await spun()) !== undefined);
    const others = (await report(server)).workers?.processes.filter((worker) => worker.pid !== pid) ?? [];
    expect(others).toHaveLength(1);
    expect(others[0]?.condition?.residentBytes).toBeGreaterThan(10_000_000);
    expect(others[0]?.condition?.heapUsedBytes).toBeGreaterThan(1_000_000);
    expect(others[0]?.condition?.cpu).toBeLessThan(2);
    client.destroy();
  });

  it('a worker that hangs keeps no figures of the others back', async () => {
    await using server = await WorkersServer.start();
    const { client, worker } = await visit(server);
    await client.send('hang');
    const found = await families(server);
    const other = worker === '1' ? '2' : '1';
    expect(sampleValue(found, 'answers_total', { worker: other })).toBe(0);
    expect(sampleValue(found, 'answers_total', { worker })).toBeUndefined();
    // Its supervisor knows what it has told before.
    expect(sampleValue(found, 'reagent_worker_status', { worker, status: 'listening' })).toBe(1);
    client.destroy();
  });

  it('a metric that cannot be collected in a worker is an error that the log tells of', async () => {
    await using server = await WorkersServer.start();
    const { client } = await visit(server);
    await client.send('break');
    await client.receive(/\d/);
    const response = await fetch(`${server.url}metrics`);
    expect(response.status).toBe(500);
    expect(server.log).toMatch(/could not be answered.*a worker cannot collect its metrics: Error: told to break/);
    client.destroy();
  });

  it('is ready while they listen, and not while they drain', async () => {
    await using server = await WorkersServer.start();
    const { client } = await visit(server);
    expect((await fetch(`${server.url}readyz`)).status).toBe(200);
    server.kill('SIGTERM');
    await until(async () => (await fetch(`${server.url}readyz`)).status === 503);
    const readiness = await fetch(`${server.url}readyz`);
    expect(await readiness.text()).toBe('not ready\nEcho is draining\n');
    expect((await fetch(`${server.url}healthz`)).status).toBe(200);
    // It is served on.
    await client.send('hello');
    await client.receive(/\d/);
    await client.end();
    expect(await server.exit()).toBe(0);
    expect(server.log).not.toMatch(/WARN|ERROR/);
  });

  it.skipIf(chromium === undefined)(
    `the page has a table of them${chromium === undefined ? ' (skipped: chromium is not installed)' : ''}`,
    async () => {
      await using server = await WorkersServer.start();
      const browser = await launch(String(chromium));
      try {
        await using opened = await open(browser, server.url);
        const { page } = opened;
        const table = page.getByRole('table', { name: 'Workers' });
        const second = table.getByRole('row', { name: /^2/ });
        await second.waitFor();
        await table.getByText('%').first().waitFor();
        expect(await second.locator('[data-column="CPU"]').textContent()).toMatch(/^\d+(\.\d)? ?%$/);
        expect(await second.locator('[data-column="Memory"]').textContent()).toMatch(/MB$/);
        expect(await second.locator('[data-column="Loop delay"]').textContent()).toMatch(/ms$/);
        expect(await page.locator('#fact-kind').textContent()).toBe('Supervisor');
        expect(await violations(page)).toEqual([]);
        await page.setViewportSize({ width: 360, height: 740 });
        expect(await page.locator('html').evaluate((element) => element.scrollWidth)).toBeLessThanOrEqual(360);
        expect(await violations(page)).toEqual([]);
        expect(opened.complaints).toEqual([]);
      } finally {
        await browser.close();
      }
    },
  );
});
