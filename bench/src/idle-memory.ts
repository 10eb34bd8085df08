// What a connection costs on which nothing happens.

import type { Machine } from './machine.js';
import type { Measurement, Outcome } from './outcome.js';
import { LoadProcess, ServerProcess } from './processes.js';
import { echo } from './scenarios.js';
import { median, spread } from './statistics.js';

const CONNECTIONS = 10_000;

/** Open before the measurement, so that what is made once and kept is not counted. */
const FIRST_CONNECTIONS = 1_000;

/** Bytes that an idle connection may cost beyond a bare one. */
const BUDGET = 1_024;

const states = [
  { touch: false, words: 'nothing sent' },
  { touch: true, words: 'one message sent' },
];

const peers = [
  { name: 'node:net', peer: 'bare-echo' },
  { name: 'reagent @OnData', peer: 'reagent-push' },
];

interface Sample {
  /** Bytes a connection. */
  readonly heap: number;
  readonly resident: number;
}

export const idleMemory: Measurement = {
  name: 'idle-memory',
  async measure(machine, { generations }): Promise<Outcome> {
    const cases = states.map((state) => ({ ...state, samples: peers.map(() => [] as Sample[]) }));
    for (let generation = 0; generation < generations; generation++) {
      for (const { touch, samples } of cases) {
        for (const [index, { peer }] of peers.entries()) samples[index]?.push(await weigh(machine, peer, touch));
      }
    }
    return {
      title: `Idle memory: bytes a connection, ${CONNECTIONS} open`,
      figures: Object.fromEntries(
        cases.flatMap(({ words, samples }) =>
          peers.map(({ name }, index) => {
            const of = (key: keyof Sample) => median((samples[index] ?? []).map((sample) => sample[key]));
            return [`${name}, ${words}`, { heap: of('heap'), resident: of('resident') }];
          }),
        ),
      ),
      verdicts: cases.flatMap(({ words, samples: [bare = [], reagent = []] }) =>
        (['heap', 'resident'] as const).map((key) => {
          const beyond = reagent.map((sample, index) => sample[key] - (bare[index]?.[key] ?? Number.NaN));
          return {
            what: `idle connection beyond node:net, ${key === 'heap' ? 'heap' : 'resident memory'}, ${words}`,
            measured: median(beyond),
            spread: spread(beyond),
            limit: BUDGET,
            kind: 'at most' as const,
            unit: 'bytes' as const,
          };
        }),
      ),
    };
  },
};

async function weigh(machine: Machine, peer: string, touch: boolean): Promise<Sample> {
  const server = await ServerProcess.start(machine, peer);
  const loads: LoadProcess[] = [];
  const open = async (connections: number) => {
    loads.push(await LoadProcess.start(machine, server.port, { ...echo, connections, active: 1, touch }));
    return server.ask('memory');
  };
  try {
    const before = await open(FIRST_CONNECTIONS);
    const after = await open(CONNECTIONS);
    return {
      heap: (after.heap - before.heap) / CONNECTIONS,
      resident: (after.resident - before.resident) / CONNECTIONS,
    };
  } finally {
    await Promise.all([server, ...loads].map((process) => process.stop()));
  }
}
