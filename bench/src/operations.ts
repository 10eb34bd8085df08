// `node dist/operations.js`: what becomes of clients while a server with workers is reloaded, loses a worker, or is stopped.
//
// The clients are `load/clients.c`, whose first comment says what is counted. In a reload and in a stop, no message may be lost: one that a
// worker has looked at and whose reply has not come to the client, whole. Workers count the one, clients the other. A message that no worker has
// looked at, since its connection was on its way to its end, is not lost: the client learns by the FIN that it has to say it elsewhere.

import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { compileLoad } from './machine.js';
import { Clients, type Counts, OperatedServer } from './operated.js';
import { table } from './report.js';

type Mode = 'visit' | 'stream';
type Operation = 'reload' | 'kill' | 'stop';

/** Clients at a time, and messages that each has in flight. */
const clientsOf: { readonly [M in Mode]: { readonly connections: number; readonly depth: number } } = {
  visit: { connections: 20, depth: 1 },
  stream: { connections: 20, depth: 8 },
};

/** Milliseconds from the end of a worker to its successor's first accept, at most. */
const BACK_WITHIN = 1_000;

/** What an operation has done. */
interface Effect extends Counts {
  readonly mode: Mode;
  readonly operation: Operation;
  /** Milliseconds until all are replaced, until the next worker listens, until the last process has ended. */
  readonly took: number;
  /** Messages that were looked at and whose reply did not come; undefined where nobody can say. */
  readonly lost: number | undefined;
  /** Connections that the killed worker had. */
  readonly doomed: number | undefined;
}

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '3' }, seconds: { type: 'string', default: '0.5' } },
});
const program = compileLoad('clients', ['clients.c']);
if (program === undefined) {
  process.stdout.write('Nothing is measured: the clients were not compiled, which takes Linux and cc.\n');
} else {
  const effects: Effect[] = [];
  for (let run = 0; run < Number(values.runs); run++) {
    for (const mode of ['visit', 'stream'] as const) {
      for (const operation of ['reload', 'kill', 'stop'] as const)
        effects.push(await operate(program, mode, operation));
    }
  }
  process.stdout.write(`Node.js ${process.version}, ${process.platform}\n${describe(effects)}\n`);
  if (!effects.every(isFine)) process.exitCode = 1;
}

async function operate(program: string, mode: Mode, operation: Operation): Promise<Effect> {
  await using server = await OperatedServer.start();
  const { connections, depth } = clientsOf[mode];
  await using clients = await Clients.start(program, [
    String(server.ports[mode]),
    mode,
    String(connections),
    String(depth),
  ]);
  await delay(Number(values.seconds) * 1_000);
  const [victim = 0] = server.listening;
  const doomed =
    operation === 'kill' && mode === 'stream' ? await server.open({ pid: victim, all: connections }) : undefined;
  const begun = performance.now();
  await server[operation](victim);
  const took = performance.now() - begun;
  if (operation !== 'stop') await delay(Number(values.seconds) * 1_000);
  const counts = await clients.stop();
  if (operation !== 'stop') await server.stop();
  const lost = operation === 'kill' ? undefined : server.handled - counts.answered;
  return { ...counts, mode, operation, took, lost, doomed: operation === 'kill' ? (doomed ?? connections) : undefined };
}

function isFine({
  operation,
  mode,
  refused,
  reset,
  ended,
  unanswered,
  torn,
  wrong,
  lost,
  doomed = 0,
  took,
}: Effect): boolean {
  if (wrong + unanswered.never > 0) return false;
  if (operation === 'kill') return refused === 0 && reset + ended <= doomed && took <= BACK_WITHIN;
  if (lost !== 0 || torn > 0) return false;
  // Whoever connects to a server that stops may come too late.
  if (operation === 'stop') return true;
  return refused + reset === 0 && (mode === 'stream' || unanswered.end === 0);
}

function describe(effects: readonly Effect[]): string {
  const heading = [
    '',
    'clients',
    'replies',
    'lost',
    'refused',
    'reset',
    'ended',
    'unanswered',
    'slowest',
    'pause',
    'took',
  ];
  const rows = effects.map((effect) => [
    `${isFine(effect) ? '✓' : '✗'} ${effect.operation}`,
    effect.mode,
    String(effect.answered),
    String(effect.lost ?? '?'),
    String(effect.refused),
    effect.doomed === undefined ? String(effect.reset) : `${effect.reset} of ${effect.doomed}`,
    String(effect.ended),
    `${effect.unanswered.reset} + ${effect.unanswered.end}`,
    ...[effect.slowest, effect.pause, effect.took].map((time) => `${time.toFixed(0)} ms`),
  ]);
  return table([heading, ...rows]);
}
