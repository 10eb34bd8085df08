// What the guide says of the metrics is so.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Module, OnData, Reagent } from '@reagent/core';
import { Ops, OpsServer } from '@reagent/ops';
import { createTestApp } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { parseExposition } from './support/exposition.js';
import { pathOf } from './support/programs.js';

const guide = readFileSync(new URL('../../../docs/observing.md', import.meta.url), 'utf8');
const rules = /^```yaml\n(groups:.*?)^```$/ms.exec(guide)?.[1] ?? '';
const promtool = pathOf('promtool');

@Reagent({ port: 0 })
class Quiet {
  @OnData()
  listen() {}
}

@Module({ imports: [Ops.forRoot({ port: 0 })], reagents: [Quiet] })
class AppModule {}

async function families() {
  await using app = await createTestApp(AppModule).start();
  return parseExposition(await (await fetch(`${app.resolve(OpsServer).url}metrics`)).text(), 'text');
}

describe('the guide', () => {
  it('has every metric of reagent in its table, with its type and its labels', async () => {
    const namesIn = (text = '') => [...text.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    const documented = guide
      .split('\n')
      .filter((line) => line.startsWith('| `reagent_'))
      .map((line) => line.split('|'))
      .flatMap(([, names, type, labels]) => namesIn(names).map((name) => [name, type?.trim(), ...namesIn(labels)]));
    const found = [...(await families()).values()]
      .filter(({ name }) => name.startsWith('reagent_'))
      .map(({ name, type, samples }) => [name, type, ...Object.keys(samples[0]?.labels ?? {})]);
    // There is no TLS in the test, so these have no sample to have labels.
    const failures = found.find(([name]) => name === 'reagent_tls_handshake_failures_total');
    failures?.push('reason');
    const ofWorkers = documented.filter(([name]) => name?.startsWith('reagent_worker_'));
    expect(ofWorkers).toHaveLength(2);
    // The first stands in the text above the table, the other in Prometheus' own guide.
    const isCommon = (word: string | undefined) => word === 'listener' || word === 'le';
    const sorted = (rows: (string | undefined)[][]) => rows.map((row) => row.filter((word) => !isCommon(word))).sort();
    expect(sorted(documented.filter((row) => !ofWorkers.includes(row)))).toEqual(sorted(found));
  });

  it('has rules that only ask for metrics and reasons that exist', async () => {
    const found = await families();
    const asked = [...rules.matchAll(/\b(?:reagent|process|nodejs)_\w+/g)].map(([name]) =>
      name.replace(/_bucket$/, ''),
    );
    expect(asked.length).toBeGreaterThan(5);
    for (const name of asked) expect([...found.keys()]).toContain(name);
    const reasons = found.get('reagent_connections_rejected_total')?.samples.map(({ labels }) => labels.reason);
    for (const reason of /reason!~"(.*?)"/.exec(rules)?.[1]?.split('|') ?? []) expect(reasons).toContain(reason);
  });

  it.skipIf(promtool === undefined)(
    promtool === undefined
      ? 'has rules that promtool accepts (skipped: promtool is not installed)'
      : 'has rules that promtool accepts',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'reagent-rules-'));
      try {
        writeFileSync(join(folder, 'rules.yaml'), rules);
        const check = spawnSync('promtool', ['check', 'rules', join(folder, 'rules.yaml')], { encoding: 'utf8' });
        expect(check.stderr).toBe('');
        expect(check.stdout).toContain('7 rules found');
        expect(check.status).toBe(0);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
