// What is measured, and what of it has a budget.

/** What the load does; see load.c. */
export interface Load {
  readonly mode: 'stream' | 'visit';
  /** `tls`: version 1.3, each connection with a full handshake; `resumed`: all but the first resume a session. */
  readonly security: 'plain' | 'tls' | 'resumed';
  readonly connections: number;
  /** Connections that have requests in flight at the same time. */
  readonly active: number;
  /** Requests in flight on each of them. */
  readonly depth: number;
  /** Whether each connection has exchanged a message before the measurement. */
  readonly touch: boolean;
  readonly request: string;
  readonly response: string;
}

/** One side of a comparison: a server under a load. */
export interface Contender {
  readonly name: string;
  /** The file in `peers/`. */
  readonly peer: string;
  readonly runtime?: 'bun';
  readonly load: Load;
}

export interface Budget {
  readonly contender: string;
  readonly against: string;
  /** The contender's rate is to be this many times the other's. */
  readonly atLeast: number;
}

/** Contenders that are measured in turns. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** What is counted. */
  readonly unit: string;
  /** The contender that all others are shown as a multiple of. */
  readonly reference: string;
  /**
   * What a rate is per: a second of the CPU time of all of the server's processes, which are pinned to one core, or a second that passes, on all
   * cores. Default: `'CPU second'`.
   */
  readonly per?: 'CPU second' | 'second';
  /**
   * CPU seconds that a server runs before it is measured: the compiler needs so long to know the code and what it is called with. Default: 2.
   * What happens a thousand times a second only takes longer to be known than what happens fifty thousand times.
   */
  readonly warmUp?: number;
  /** How many times the usual length its slices have, where what is counted takes long. Default: 1. */
  readonly stretch?: number;
  readonly contenders: readonly Contender[];
  readonly budgets: readonly Budget[];
}

export const echo: Load = {
  mode: 'stream',
  security: 'plain',
  connections: 50,
  active: 50,
  depth: 1,
  touch: true,
  request: 'x'.repeat(64),
  response: 'x'.repeat(64),
};

export const visits: Load = { ...echo, mode: 'visit' };

export const encryptedEcho: Load = { ...echo, security: 'tls' };

export const handshakes: Load = { ...visits, security: 'tls' };

const line = 'GET session:48151623 user:4711\n';
const lines: Load = { ...echo, depth: 32, request: line, response: line };

const person = JSON.stringify({
  id: 4711,
  name: 'Ada Lovelace',
  email: 'ada@example.org',
  tags: ['mathematics', 'engines'],
  active: true,
});
const note = JSON.stringify({ id: 4711, text: 'hello, world' });

function jsonLines(message: string): Load {
  return { ...lines, request: `${message}\n`, response: `${message}\n` };
}

function nestMessages(message: string): Load {
  const request = nestFrame(`{"pattern":"echo","data":${message},"id":"1"}`);
  return { ...lines, request, response: nestFrame(`{"response":${message},"isDisposed":true,"id":"1"}`) };
}

function nestFrame(json: string): string {
  return `${json.length}#${json}`;
}

/** Ten requests in flight, on one connection after the other of all that are open. */
function crowd(connections: number): Load {
  return { ...echo, connections, active: 10 };
}

const crowds = [10, 1_000, 10_000];

/** What is measured of connections that open with a handshake, full or not. */
function handshaking(name: string, title: string, load: Load): Scenario {
  return {
    name,
    title: `${title}: 64 bytes, 50 connections at a time`,
    unit: 'connections',
    reference: 'node:tls',
    stretch: 2,
    warmUp: 10,
    contenders: [
      { name: 'node:tls', peer: 'bare-tls-echo', load },
      { name: 'reagent @OnData', peer: 'reagent-tls-push', load },
    ],
    budgets: [{ contender: 'reagent @OnData', against: 'node:tls', atLeast: 0.95 }],
  };
}

/** What it costs that others listen in: on the channels, to each hook, and with a store that each hook runs in. */
function telemetry(name: string, title: string, unit: string, load: Load): Scenario {
  return {
    name,
    title: `${title}: 64 bytes, 50 connections, and who listens in`,
    unit,
    reference: 'node:net',
    contenders: [
      { name: 'node:net', peer: 'bare-echo', load },
      { name: 'reagent, nobody', peer: 'reagent-push', load },
      { name: 'reagent, all channels', peer: 'reagent-push-watched', load },
      { name: 'reagent, hooks traced', peer: 'reagent-push-traced', load },
      { name: 'reagent, hooks in a store', peer: 'reagent-push-stored', load },
    ],
    budgets: [
      { contender: 'reagent, all channels', against: 'reagent, nobody', atLeast: load.mode === 'visit' ? 0.9 : 0.97 },
    ],
  };
}

/** What it costs that a worker serves instead of the process itself. */
function oneWorker(name: string, title: string, unit: string, load: Load, atLeast: number): Scenario {
  return {
    name,
    title: `${title}: 64 bytes, 50 connections, by a single process and by one worker`,
    unit,
    reference: 'reagent, one process',
    contenders: [
      { name: 'reagent, one process', peer: 'reagent-push', load },
      { name: 'reagent, one worker', peer: 'reagent-push-worker', load },
    ],
    budgets: [{ contender: 'reagent, one worker', against: 'reagent, one process', atLeast }],
  };
}

/** Little for the load to do, which has no core of its own: all are the server's. */
const slow: Load = { ...echo, connections: 64, active: 64 };

export const scenarios: readonly Scenario[] = [
  {
    name: 'echo',
    title: 'Echo: 64 bytes, 50 connections, 1 request in flight on each',
    unit: 'messages',
    reference: 'node:net',
    contenders: [
      { name: 'node:net', peer: 'bare-echo', load: echo },
      { name: 'reagent @OnData', peer: 'reagent-push', load: echo },
      { name: 'reagent for await', peer: 'reagent-pull', load: echo },
      { name: 'node:net for await', peer: 'bare-iterated', load: echo },
      { name: 'Bun.listen', peer: 'bun-echo', runtime: 'bun', load: echo },
    ],
    budgets: [
      { contender: 'reagent @OnData', against: 'node:net', atLeast: 0.97 },
      { contender: 'reagent for await', against: 'node:net', atLeast: 0.95 },
    ],
  },
  {
    name: 'lines',
    title: 'Lines: 31 bytes, 50 connections, 32 lines in flight on each',
    unit: 'lines',
    reference: 'split, a write a line',
    contenders: [
      { name: 'split, a write a line', peer: 'bare-lines-split', load: lines },
      { name: 'node:readline', peer: 'bare-lines-readline', load: lines },
      { name: 'hand-tuned, bytes', peer: 'bare-lines-tuned', load: lines },
      { name: 'hand-tuned, text', peer: 'bare-lines-text', load: lines },
      { name: 'reagent lines()', peer: 'reagent-lines', load: lines },
      { name: 'no lines, chunks echoed', peer: 'bare-echo', load: lines },
    ],
    budgets: [
      { contender: 'reagent lines()', against: 'split, a write a line', atLeast: 10 },
      { contender: 'reagent lines()', against: 'hand-tuned, bytes', atLeast: 0.9 },
    ],
  },
  {
    name: 'json',
    title: `JSON: ${note.length} and ${person.length} bytes, 50 connections, 32 messages in flight on each`,
    unit: 'messages',
    reference: 'NestJS TCP, small',
    contenders: [
      { name: 'NestJS TCP, small', peer: 'nest-json', load: nestMessages(note) },
      { name: 'reagent json(schema), small', peer: 'reagent-json-note', load: jsonLines(note) },
      { name: 'NestJS TCP, larger', peer: 'nest-json', load: nestMessages(person) },
      { name: 'reagent json(schema), larger', peer: 'reagent-json-person', load: jsonLines(person) },
    ],
    budgets: [
      { contender: 'reagent json(schema), small', against: 'NestJS TCP, small', atLeast: 8 },
      { contender: 'reagent json(schema), larger', against: 'NestJS TCP, larger', atLeast: 8 },
    ],
  },
  {
    name: 'visits',
    title: 'Connect, echo, close: 64 bytes, 50 connections at a time',
    unit: 'connections',
    reference: 'node:net',
    contenders: [
      { name: 'node:net', peer: 'bare-echo', load: visits },
      { name: 'node:net, same socket options', peer: 'bare-echo-options', load: visits },
      { name: 'reagent @OnData', peer: 'reagent-push', load: visits },
    ],
    budgets: [{ contender: 'reagent @OnData', against: 'node:net', atLeast: 0.9 }],
  },
  {
    name: 'crowd',
    title: 'Growth: 64 bytes, 10 requests in flight, on one connection after the other of all that are open',
    unit: 'messages',
    reference: 'node:net, 10 open',
    contenders: crowds.flatMap((open) => [
      { name: `node:net, ${open} open`, peer: 'bare-echo', load: crowd(open) },
      { name: `reagent, ${open} open`, peer: 'reagent-push', load: crowd(open) },
    ]),
    budgets: crowds.map((open) => ({
      contender: `reagent, ${open} open`,
      against: `node:net, ${open} open`,
      atLeast: 0.97,
    })),
  },
  {
    name: 'tls',
    title: 'Echo over TLS 1.3: 64 bytes, 50 connections, 1 request in flight on each',
    unit: 'messages',
    reference: 'node:tls',
    contenders: [
      { name: 'node:tls', peer: 'bare-tls-echo', load: encryptedEcho },
      { name: 'reagent @OnData', peer: 'reagent-tls-push', load: encryptedEcho },
      { name: 'reagent for await', peer: 'reagent-tls-pull', load: encryptedEcho },
      { name: 'node:tls for await', peer: 'bare-tls-iterated', load: encryptedEcho },
    ],
    budgets: [
      { contender: 'reagent @OnData', against: 'node:tls', atLeast: 0.95 },
      { contender: 'reagent for await', against: 'node:tls', atLeast: 0.95 },
    ],
  },
  handshaking('handshakes', 'Connect, full TLS 1.3 handshake, echo, close', handshakes),
  handshaking('resumed', 'Connect, resume a TLS 1.3 session, echo, close', { ...handshakes, security: 'resumed' }),
  telemetry('telemetry', 'Echo', 'messages', echo),
  telemetry('telemetry-visits', 'Connect, echo, close', 'connections', visits),
  oneWorker('worker', 'Echo', 'messages', echo, 0.97),
  oneWorker('worker-visits', 'Connect, echo, close', 'connections', visits, 0.95),
  {
    name: 'workers',
    title: 'Two workers: echo with 200 µs of work a message, 64 bytes, 64 connections',
    unit: 'messages',
    per: 'second',
    reference: 'reagent, 1 worker',
    stretch: 2,
    contenders: [
      { name: 'reagent, 1 worker', peer: 'reagent-busy-1', load: slow },
      { name: 'reagent, 2 workers', peer: 'reagent-busy-2', load: slow },
      { name: 'node:cluster, 2 workers', peer: 'cluster-busy-2', load: slow },
    ],
    budgets: [{ contender: 'reagent, 2 workers', against: 'reagent, 1 worker', atLeast: 1.8 }],
  },
];
