import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { listen } from '../listen.js';
import { work } from '../work.js';
import { answerForCpu } from '../workers-server.js';

export { cpuOfAll as cpu } from '../workers-server.js';

/** Two bare workers of node:cluster, whose primary hands connections round. */
export async function start(): Promise<number> {
  if (cluster.isPrimary) {
    const ports = [cluster.fork(), cluster.fork()].map(async (worker) => {
      const [{ port }] = (await once(worker, 'listening')) as [{ port: number }];
      return port;
    });
    const [port = 0] = await Promise.all(ports);
    return port;
  }
  answerForCpu();
  return listen(
    createServer((socket) => {
      socket.on('data', (data) => {
        work();
        socket.write(data);
      });
      socket.on('error', () => socket.destroy());
    }),
  );
}
