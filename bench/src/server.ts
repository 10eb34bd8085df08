// The process of one server: `node server.js PEER`. Tells its port, and what it is asked for, over the channel to its parent. A peer with workers
// runs it in them too, where it only starts what they serve.

import { createHook } from 'node:async_hooks';
import cluster from 'node:cluster';

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

interface Peer {
  start(): Promise<number>;
  /** Microseconds that all of its processes have used, where it has more than this one. */
  cpu?(): Promise<number>;
}

const peer = (await import(`./peers/${process.argv[2]}.js`)) as Peer;

const answers: { readonly [K in Question]: () => Answers[K] | Promise<Answers[K]> } = {
  cpu: () => {
    if (peer.cpu !== undefined) return peer.cpu();
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

if (cluster.isWorker) {
  await peer.start();
} else {
  process.on('message', (question: Question) => {
    const answer = answers[question]();
    // Without a promise where none is needed: those are counted.
    if (answer instanceof Promise) void answer.then((value) => process.send?.(value));
    else process.send?.(answer);
  });
  process.on('disconnect', () => process.exit());
  process.send?.(await peer.start());
}
