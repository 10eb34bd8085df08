// Servers with worker processes, and the CPU time that all of their processes have used.

import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { bootstrap, type Constructor, Module, silentLogger } from '@reagent/core';

const QUESTION = 'CPU time?';

/** Microseconds of this process. */
function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Starts a reagent with so many workers. Returns the port. */
export async function startWithWorkers(reagent: Constructor, workers: number): Promise<number> {
  @Module({ reagents: [reagent] })
  class AppModule {}
  const anywhere = { port: 0, host: '127.0.0.1' };
  const app = await bootstrap(AppModule, {
    workers,
    overrides: { [reagent.name]: anywhere },
    logger: silentLogger,
    signals: false,
  });
  if (app.worker !== undefined) answerForCpu();
  return app.listener(reagent).port;
}

/** In a worker: tells the CPU time of this process whenever it is asked for. */
export function answerForCpu(): void {
  process.on('message', (question) => {
    if (question === QUESTION) process.send?.({ cpu: ownCpu() });
  });
}

/** Microseconds that the supervisor and its workers have used. */
export async function cpuOfAll(): Promise<number> {
  const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
  const shares = await Promise.all(workers.map(cpuOf));
  return shares.reduce((sum, share) => sum + share, ownCpu());
}

async function cpuOf(worker: Worker): Promise<number> {
  worker.send(QUESTION);
  for (;;) {
    // Other messages come over the same channel.
    const [answer] = (await once(worker.process, 'message')) as [unknown];
    if (typeof answer === 'object' && answer !== null && 'cpu' in answer) return Number(answer.cpu);
  }
}
