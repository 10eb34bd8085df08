// `pnpm bench`: measures, prints, and writes the results.

import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { certificates } from '@reagent/testing';
import { keepCertificate } from './certificate.js';
import { chart } from './chart.js';
import { idleMemory } from './idle-memory.js';
import { lookAtMachine } from './machine.js';
import { type Options, readOptions, UsageError, usage } from './options.js';
import { isMet, type Measurement, type Outcome } from './outcome.js';
import { promiseCount } from './promise-count.js';
import { rates } from './rates.js';
import { describeOutcome, describeVerdicts } from './report.js';
import { scenarios } from './scenarios.js';
import { startUp } from './start-up.js';

const measurements: readonly Measurement[] = [...scenarios.map(rates), idleMemory, startUp, promiseCount];

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(usage);
  else await run(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}

async function run(options: Options): Promise<void> {
  const chosen = choose(options.only);
  const machine = lookAtMachine();
  process.stdout.write(`${[machine.description, ...machine.remarks].join('\n')}\n\n`);
  keepCertificate((await certificates()).selfSigned);
  const outcomes: Record<string, Outcome> = {};
  for (const measurement of chosen) {
    const outcome = await measurement.measure(machine, options);
    process.stdout.write(`${describeOutcome(outcome)}\n`);
    outcomes[measurement.name] = outcome;
  }
  const verdicts = Object.values(outcomes).flatMap((outcome) => outcome.verdicts);
  process.stdout.write(describeVerdicts(verdicts));

  const json = results(machine.description, options, outcomes);
  if (options.json !== undefined) writeFileSync(options.json, json);
  // What stands in the repository is always of one whole run.
  if (chosen.length === measurements.length) {
    mkdirSync(inResults(''), { recursive: true });
    writeFileSync(inResults('latest.json'), json);
    writeFileSync(inResults('chart.svg'), chart(verdicts, machine.description));
  }
  if (options.strict && !verdicts.every(isMet)) process.exitCode = 1;
}

/** @throws UsageError if a name stands for nothing */
function choose(only: readonly string[]): readonly Measurement[] {
  const unknown = only.find((part) => !measurements.some(({ name }) => name.includes(part)));
  if (unknown !== undefined) {
    throw new UsageError(`--only ${unknown}: there are ${measurements.map(({ name }) => name).join(', ')}`);
  }
  return only.length === 0 ? measurements : measurements.filter(({ name }) => only.some((part) => name.includes(part)));
}

function results(
  machine: string,
  { generations, rounds, seconds }: Options,
  outcomes: Record<string, Outcome>,
): string {
  const rounded = (_key: string, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(6)) : value);
  const measurements = Object.fromEntries(
    Object.entries(outcomes).map(([name, { title, figures, verdicts }]) => [
      name,
      {
        title,
        figures,
        budgets: Object.fromEntries(
          verdicts.map(({ what, ...verdict }) => [what, { ...verdict, met: isMet({ what, ...verdict }) }]),
        ),
      },
    ]),
  );
  return `${JSON.stringify({ machine, date: new Date().toISOString().slice(0, 10), generations, rounds, seconds, measurements }, rounded, 2)}\n`;
}

function inResults(name: string): string {
  return fileURLToPath(new URL(`../results/${name}`, import.meta.url));
}
