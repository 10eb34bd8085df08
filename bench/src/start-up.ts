// What it costs to start: CPU time until the echo app listens, beyond that of Node.js itself.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Machine } from './machine.js';
import type { Measurement, Outcome } from './outcome.js';
import { pinned } from './processes.js';
import { median, spread } from './statistics.js';

/** Milliseconds of CPU beyond Node.js. */
const BUDGET = 150;

const nothing = ['-e', 'process.stdout.write(JSON.stringify(process.cpuUsage()))'];
const echoApp = [fileURLToPath(new URL('start-echo.js', import.meta.url))];

export const startUp: Measurement = {
  name: 'start-up',
  async measure(machine, { generations, rounds }): Promise<Outcome> {
    const bare: number[] = [];
    const reagent: number[] = [];
    for (let round = 0; round < generations * rounds; round++) {
      bare.push(await cpuOf(machine, nothing));
      reagent.push(await cpuOf(machine, echoApp));
    }
    const beyond = reagent.map((cpu, round) => cpu - (bare[round] ?? Number.NaN));
    return {
      title: 'Start-up: milliseconds of CPU until the echo app listens',
      figures: { 'node -e 0': { cpu: median(bare) }, 'echo app': { cpu: median(reagent) } },
      verdicts: [
        {
          what: 'bootstrap of the echo app beyond node itself',
          measured: median(beyond),
          spread: spread(beyond),
          limit: BUDGET,
          kind: 'at most',
          unit: 'ms',
        },
      ],
    };
  },
};

async function cpuOf(machine: Machine, args: readonly string[]): Promise<number> {
  const { stdout } = await promisify(execFile)(...pinned([process.execPath, ...args], machine.cores?.server));
  const { user, system } = JSON.parse(stdout) as NodeJS.CpuUsage;
  return (user + system) / 1_000;
}
