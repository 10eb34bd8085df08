// The main file of the server that is operated on, in its supervisor and its workers: echoes lines to those who visit, on one port, and to
// those who stay, on another. Whoever stays is asked to leave when a worker stops.

import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';
import {
  bootstrap,
  type Connection,
  lines,
  Module,
  OnData,
  OnShutdown,
  Reagent,
  silentLogger,
  type WorkerEvent,
} from '@reagent/core';

/** What the supervisor tells whoever has started it. */
export type Told =
  | { readonly kind: 'up'; readonly ports: { readonly visit: number; readonly stream: number } }
  | { readonly kind: 'worker'; readonly pid: number | undefined; readonly status: string }
  | { readonly kind: 'open'; readonly connections: number };

/** What it can be asked: how many connections a worker has, as soon as all workers together have so many. */
export interface Question {
  readonly pid: number;
  readonly all: number;
}

const WORKERS = 2;

const descriptor = { port: 0, host: '127.0.0.1', codec: lines(), timeouts: { shutdown: 10_000 } };

/** Lines that were answered by this process. */
let handled = 0;

@Reagent({ ...descriptor, name: 'visit' })
class VisitEcho {
  @OnData()
  echo(conn: Connection<string>, line: string) {
    handled++;
    conn.send(line);
  }
}

@Reagent({ ...descriptor, name: 'stream' })
class StreamEcho {
  @OnData()
  echo(conn: Connection<string>, line: string) {
    handled++;
    conn.send(line);
  }

  @OnShutdown()
  leave(conn: Connection<string>) {
    conn.close();
  }
}

@Module({ reagents: [VisitEcho, StreamEcho] })
class AppModule {}

subscribe('reagent:worker:status', (event) => {
  const { pid, status } = event as WorkerEvent;
  tell({ kind: 'worker', pid, status });
});

const application = await bootstrap(AppModule, { workers: WORKERS, logger: silentLogger });
if (application.worker === undefined) supervise();
else void application.closed.then(() => writeSync(1, `${handled}\n`));

function supervise(): void {
  process.on('message', (question: Question) => void answer(question));
  // Who asks does not keep the process.
  process.channel?.unref();
  tell({ kind: 'up', ports: { visit: portOf('visit'), stream: portOf('stream') } });
}

async function answer({ pid, all }: Question): Promise<void> {
  await application.listener('stream').waitForConnections((connections) => connections === all);
  const { workers } = application.stats();
  const worker = workers?.processes.find((one) => one.pid === pid);
  tell({ kind: 'open', connections: worker?.listeners.stream?.connections.active ?? 0 });
}

function portOf(name: string): number {
  return application.listener(name).port;
}

function tell(told: Told): void {
  process.send?.(told);
}
