// The process of one server: `node server.js PEER`. Tells its port, and what it is asked for, over the channel to its parent.

import { createHook } from 'node:async_hooks';

export type Question = 'cpu' | 'memory' | 'promises' | 'count promises';

export interface Memory {
  /** Bytes, after a garbage collection. */
  readonly resident: number;
  /** Bytes of objects in the heap and of what they hold outside of it. */
  readonly heap: number;
}

export interface Answers {
  /** Microseconds that all threads of the process have used. */
  readonly cpu: number;
  readonly memory: Memory;
  /** Promises made since they are counted. */
  readonly promises: number;
  readonly 'count promises': number;
}

let promises = 0;

const answers: { readonly [K in Question]: () => Answers[K] } = {
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  memory: () => {
    for (let i = 0; i < 3; i++) (globalThis as { gc?: () => void }).gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { resident: rss, heap: heapUsed + external };
  },
  promises: () => promises,
  'count promises': () => {
    createHook({
      init: (_id, type) => {
        if (type === 'PROMISE') promises++;
      },
    }).enable();
    return 0;
  },
};

const { start } = (await import(`./peers/${process.argv[2]}.js`)) as { start: () => Promise<number> };
process.on('message', (question: Question) => process.send?.(answers[question]()));
process.on('disconnect', () => process.exit());
process.send?.(await start());
