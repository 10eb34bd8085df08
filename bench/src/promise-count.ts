// How many promises the framework makes: none on the ordinary path.

import type { Machine } from './machine.js';
import type { Measurement, Outcome } from './outcome.js';
import { LoadProcess, ServerProcess } from './processes.js';
import { echo, encryptedEcho, handshakes, type Load, visits } from './scenarios.js';

const SECONDS = 0.3;

const cases: readonly {
  readonly name: string;
  readonly peer: string;
  readonly load: Load;
  readonly budget?: string;
}[] = [
  { name: 'reagent @OnData, echo', peer: 'reagent-push', load: echo, budget: 'promises a message, push' },
  {
    name: 'reagent @OnData, connect, echo, close',
    peer: 'reagent-push',
    load: visits,
    budget: 'promises a connection, push',
  },
  {
    name: 'reagent @OnData, echo over TLS',
    peer: 'reagent-tls-push',
    load: encryptedEcho,
    budget: 'promises a message, push over TLS',
  },
  {
    name: 'reagent @OnData, connect, handshake, echo, close',
    peer: 'reagent-tls-push',
    load: handshakes,
    budget: 'promises a connection, push over TLS',
  },
  { name: 'reagent for await, echo', peer: 'reagent-pull', load: echo },
  { name: 'node:net for await, echo', peer: 'bare-iterated', load: echo },
];

export const promiseCount: Measurement = {
  name: 'promises',
  async measure(machine): Promise<Outcome> {
    const counts: number[] = [];
    for (const { peer, load } of cases) counts.push(await count(machine, peer, load));
    return {
      title: 'Promises made a message, or a connection',
      figures: Object.fromEntries(cases.map(({ name }, index) => [name, { promises: counts[index] ?? Number.NaN }])),
      verdicts: cases.flatMap(({ budget }, index) =>
        budget === undefined
          ? []
          : {
              what: budget,
              measured: counts[index] ?? Number.NaN,
              spread: 0,
              limit: 0,
              kind: 'at most',
              unit: 'promises',
            },
      ),
    };
  },
};

async function count(machine: Machine, peer: string, load: Load): Promise<number> {
  const server = await ServerProcess.start(machine, peer);
  try {
    await server.ask('count promises');
    const client = await LoadProcess.start(machine, server.port, load);
    try {
      const { messages } = await client.run(SECONDS);
      return (await server.ask('promises')) / messages;
    } finally {
      await client.stop();
    }
  } finally {
    await server.stop();
  }
}
