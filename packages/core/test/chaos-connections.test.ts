// Random clients against random reagents, while the listener is resized, limited, suspended and stopped. What holds whatever
// happens: hooks of a connection never overlap, bytes keep their order, OnClose comes once, and every place is given back.
//
// CHAOS_SEED and CHAOS_RUNS in the environment make other plans, and more of them.

import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import {
  type Application,
  type CloseReason,
  type Connection,
  type Constructor,
  type Listener,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  OnShutdown,
  OnTimeout,
  Reagent,
  silentLogger,
  start,
} from '@reagent/core';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';

const SEED = Number(process.env.CHAOS_SEED ?? 1);
const RUNS = Number(process.env.CHAOS_RUNS ?? 100);

/** A plan that takes longer hangs. */
const RUN_LIMIT_MS = 8_000;

/** More than a pair of loopback sockets holds for a client that does not read at once. */
const LARGE = 400_000;

/** What a hook does after its work. */
type Outcome = 'return' | 'await' | 'wait' | 'throw' | 'reject';

interface ClientPlan {
  /** Turns of the event loop before it connects. */
  readonly delay: number;
  /** Sizes of its writes. */
  readonly writes: readonly number[];
  /** Turns between two writes. */
  readonly gap: number;
  /** Reads only when it has written all. */
  readonly isLazy: boolean;
  /** `leave`: ends its side at the very end, if nobody has ended it before. */
  readonly ending: 'end' | 'reset' | 'destroy' | 'leave';
}

const actions = ['suspend', 'resume', 'resize', 'limit', 'unlimit', 'exempt', 'pass'] as const;
type Action = (typeof actions)[number];

const styles = ['push', 'pull', 'session', 'returns an owner', 'hands over', 'hands over when pulling'] as const;
type Style = (typeof styles)[number];

interface Plan {
  readonly style: Style;
  readonly acceptors: number;
  readonly maxConnections: number;
  readonly maxWaiting: number;
  /** Bytes. */
  readonly highWaterMark: number;
  /** Milliseconds. */
  readonly idle: number | false;
  /** How the hooks end, whichever are called, one after another and over again. */
  readonly outcomes: readonly Outcome[];
  /** Whether connections are closed by `@OnShutdown`. */
  readonly isPolite: boolean;
  readonly clients: readonly ClientPlan[];
  readonly actions: readonly Action[];
  /** Stops with clients connected, instead of when they have left. */
  readonly stopsAmid: boolean;
}

const size = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 70_000 }), fc.constant(LARGE));
const calm = ['return', 'await', 'wait'] as const;
const wild = [...calm, ...calm, 'throw', 'reject'] as const;

const plans: fc.Arbitrary<Plan> = fc.record({
  style: fc.constantFrom(...styles),
  acceptors: fc.integer({ min: 1, max: 4 }),
  maxConnections: fc.integer({ min: 1, max: 8 }),
  maxWaiting: fc.integer({ min: 0, max: 12 }),
  highWaterMark: fc.constantFrom(1, 1_000, 65_536),
  idle: fc.option(fc.constant(2), { nil: false, freq: 1 }),
  outcomes: fc.oneof(
    fc.array(fc.constantFrom(...calm), { minLength: 1, maxLength: 12 }),
    fc.array(fc.constantFrom(...wild), { minLength: 1, maxLength: 12 }),
  ),
  isPolite: fc.boolean(),
  clients: fc.array(
    fc.record({
      delay: fc.integer({ min: 0, max: 8 }),
      writes: fc.array(size, { maxLength: 5 }),
      gap: fc.integer({ min: 0, max: 3 }),
      isLazy: fc.boolean(),
      ending: fc.constantFrom('end', 'end', 'end', 'reset', 'destroy', 'leave'),
    }),
    { minLength: 1, maxLength: 12 },
  ),
  actions: fc.array(fc.constantFrom(...actions), { maxLength: 8 }),
  stopsAmid: fc.boolean(),
});

/** Sees to it that hooks keep their promises, and ends them as planned. */
class Overseer {
  /** What should not have happened. */
  readonly violations: string[] = [];
  readonly entered = new Set<Connection>();
  readonly reasons = new Map<Connection, CloseReason>();
  /** Connections that were told to shut down. */
  readonly told = new Set<Connection>();
  readonly #running = new Map<Connection, string>();
  readonly #over = new Set<Connection>();
  readonly #outcomes: readonly Outcome[];
  #drawn = 0;

  constructor(outcomes: readonly Outcome[]) {
    this.#outcomes = outcomes;
  }

  draw(): Outcome {
    return this.#outcomes[this.#drawn++ % this.#outcomes.length] as Outcome;
  }

  /** A hook begins, or goes on after `recv`. */
  begin(conn: Connection, hook: string): void {
    const other = this.#running.get(conn);
    if (other !== undefined) this.violations.push(`${hook} ran while ${other} did`);
    if (this.#over.has(conn)) this.violations.push(`${hook} ran after @OnClose`);
    this.#running.set(conn, hook);
  }

  /** A hook ends, or waits in `recv`. */
  end(conn: Connection, hook: string): void {
    this.#running.delete(conn);
    if (hook === '@OnClose') this.#over.add(conn);
  }

  /** Runs a hook: its work is done at once, and then it ends as drawn. */
  run<T>(conn: Connection, hook: string, work: () => T): T | Promise<T> {
    this.begin(conn, hook);
    const result = work();
    const outcome = this.draw();
    if (outcome === 'wait' || outcome === 'reject') return this.#later(conn, hook, result, outcome);
    this.end(conn, hook);
    if (outcome === 'throw') throw new Error(`${hook} throws`);
    return outcome === 'await' ? Promise.resolve(result) : result;
  }

  async #later<T>(conn: Connection, hook: string, result: T, outcome: Outcome): Promise<T> {
    await turn();
    this.end(conn, hook);
    if (outcome === 'reject') throw new Error(`${hook} rejects`);
    return result;
  }

  async recv(conn: Connection): Promise<Buffer | null> {
    this.end(conn, 'the handler');
    try {
      return await conn.recv();
    } finally {
      this.begin(conn, 'the handler');
    }
  }

  noteClose(conn: Connection, reason: CloseReason): void {
    if (!this.entered.has(conn)) this.violations.push('@OnClose was called without @OnConnection');
    if (this.reasons.has(conn)) this.violations.push('@OnClose was called twice');
    this.reasons.set(conn, reason);
  }
}

/** An echo server in the style of the plan. */
function makeReagent({ style, isPolite }: Plan, overseer: Overseer): Constructor {
  abstract class Common {
    @OnAccept()
    static async admit() {
      const outcome = overseer.draw();
      if (outcome === 'throw') throw new Error('@OnAccept rejects');
      if (outcome === 'wait') await turn();
    }

    @OnTimeout()
    async keep(conn: Connection) {
      await overseer.run(conn, '@OnTimeout', () => undefined);
      return 'keep' as const;
    }

    @OnShutdown()
    leave(conn: Connection) {
      return overseer.run(conn, '@OnShutdown', () => {
        overseer.told.add(conn);
        if (isPolite) conn.close();
      });
    }

    @OnError()
    failed(conn: Connection, error: Error) {
      return overseer.run(conn, '@OnError', () => {
        if (overseer.draw() !== 'throw') return;
        overseer.end(conn, '@OnError');
        throw error;
      });
    }

    @OnClose()
    bye(conn: Connection, reason: CloseReason) {
      return overseer.run(conn, '@OnClose', () => overseer.noteClose(conn, reason));
    }
  }

  @Reagent()
  class Push extends Common {
    @OnConnection()
    open(conn: Connection): void | object {
      return overseer.run(conn, '@OnConnection', () => void overseer.entered.add(conn));
    }

    @OnData()
    echo(conn: Connection, data: Buffer): boolean | Promise<boolean> {
      return overseer.run(conn, '@OnData', () => conn.send(data));
    }
  }

  const worker = new Push();

  @Reagent()
  class Pull extends Common {
    @OnConnection()
    async handle(conn: Connection): Promise<void> {
      overseer.entered.add(conn);
      overseer.begin(conn, 'the handler');
      try {
        for (let data = await overseer.recv(conn); data !== null; data = await overseer.recv(conn)) {
          conn.send(data);
          const outcome = overseer.draw();
          if (outcome === 'wait') await turn();
          if (outcome === 'await') await conn.drained();
          if (outcome === 'throw') throw new Error('the handler throws');
          if (outcome === 'reject' && style === 'hands over when pulling') return conn.handOver(worker);
        }
      } finally {
        overseer.end(conn, 'the handler');
      }
    }
  }

  @Reagent({ scope: 'connection' })
  class Session extends Push {}

  @Reagent()
  class Receptionist extends Push {
    override open(conn: Connection): object {
      return overseer.run(conn, '@OnConnection', () => {
        overseer.entered.add(conn);
        return worker;
      });
    }
  }

  @Reagent()
  class Passing extends Push {
    override echo(conn: Connection, data: Buffer) {
      conn.handOver(worker);
      return super.echo(conn, data);
    }
  }

  switch (style) {
    case 'push':
      return Push;
    case 'pull':
    case 'hands over when pulling':
      return Pull;
    case 'session':
      return Session;
    case 'returns an owner':
      return Receptionist;
    case 'hands over':
      return Passing;
  }
}

/** Bytes of which no two stretches are the same. */
const noise = (() => {
  const words = new Uint32Array(1_000_000);
  let state = 1;
  for (let index = 0; index < words.length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[index] = state;
  }
  return Buffer.from(words.buffer);
})();

interface Conversation {
  readonly plan: ClientPlan;
  /** `undefined` if it could not connect. */
  readonly port: number | undefined;
  readonly sent: Buffer;
  readonly received: Buffer;
}

async function converse(plan: ClientPlan, port: number, index: number, atTheEnd: Promise<void>): Promise<Conversation> {
  for (let turns = 0; turns < plan.delay; turns += 1) await turn();
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  const closed = new Promise<boolean>((resolve) => socket.once('close', () => resolve(false)));
  const connected = new Promise<boolean>((resolve) => socket.once('connect', () => resolve(true)));
  let from = index * 4_321;
  const first = from;
  let localPort: number | undefined;
  socket.on('error', () => undefined).on('data', (chunk) => chunks.push(chunk));
  if (await Promise.race([connected, closed])) {
    localPort = socket.localPort;
    if (plan.isLazy) socket.pause();
    for (const bytes of plan.writes) {
      socket.write(noise.subarray(from, from + bytes));
      from += bytes;
      for (let turns = 0; turns < plan.gap; turns += 1) await turn();
    }
    socket.resume();
    if (plan.ending === 'leave') void atTheEnd.then(() => socket.end());
    else if (plan.ending === 'reset') socket.resetAndDestroy();
    else socket[plan.ending]();
  }
  await closed;
  return { plan, port: localPort, sent: noise.subarray(first, from), received: Buffer.concat(chunks) };
}

async function perform(action: Action, listener: Listener): Promise<void> {
  const [first] = listener.connections;
  if (action === 'suspend') await listener.suspend();
  else if (action === 'resume') await listener.resume();
  else if (action === 'resize') listener.resize(listener.stats().acceptors.size === 1 ? 3 : 1);
  else if (action === 'limit') listener.maxConnections = 1;
  else if (action === 'unlimit') listener.maxConnections = 100;
  else if (action === 'exempt') first?.exempt();
  else await turn();
}

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((all, count) => all + count, 0);

async function play(plan: Plan): Promise<void> {
  const overseer = new Overseer(plan.outcomes);
  const { acceptors, maxConnections, maxWaiting, highWaterMark, idle } = plan;
  const app: Application = await start(
    makeReagent(plan, overseer),
    {
      port: 0,
      host: '127.0.0.1',
      acceptors,
      maxConnections,
      maxWaiting,
      options: { highWaterMark },
      timeouts: { idle },
    },
    { logger: silentLogger, signals: false },
  );
  const [listener] = app.listeners as [Listener];
  const { port } = listener;
  let end = () => {};
  const atTheEnd = new Promise<void>((resolve) => (end = resolve));
  const clients = plan.clients.map((client, index) => converse(client, port, index, atTheEnd));
  for (const action of plan.actions) {
    await perform(action, listener);
    await turn();
  }
  if (!plan.stopsAmid) {
    end();
    await Promise.all(clients);
    await listener.waitForConnections((connections) => connections === 0, { timeout: 3_000 });
  }
  await app.stop({ timeout: 30 });
  const conversations = await Promise.all(clients);

  expect(overseer.violations).toEqual([]);
  const { connections, acceptors: pool } = listener.stats();
  expect({ ...connections, busy: pool.busy, queue: pool.waiting }).toMatchObject({
    active: 0,
    waiting: 0,
    busy: 0,
    queue: 0,
  });
  expect(listener.connections.size).toBe(0);
  expect([...overseer.reasons.keys()].sort(byId)).toEqual([...overseer.entered].sort(byId));
  expect(sum(connections.closed)).toBe(overseer.entered.size);
  expect(sum(connections.closed) + sum(connections.rejected)).toBe(connections.accepted);
  checkEchoes(plan, overseer, conversations);
}

const byId = (one: Connection, other: Connection) => one.id - other.id;

function checkEchoes(plan: Plan, overseer: Overseer, conversations: readonly Conversation[]): void {
  const served = new Map([...overseer.reasons.keys()].map((conn) => [conn.remote.port, conn]));
  const isCalm = !plan.outcomes.some((outcome) => outcome === 'throw' || outcome === 'reject');
  for (const { plan: client, port, sent, received } of conversations) {
    // Whatever came was in order, and nothing but what had been sent.
    expect(received.equals(sent.subarray(0, received.length))).toBe(true);
    const conn = served.get(port ?? -1);
    if (conn === undefined || client.ending === 'reset' || client.ending === 'destroy') continue;
    if (overseer.told.has(conn)) continue;
    const kind = overseer.reasons.get(conn)?.kind;
    if (isCalm && !plan.stopsAmid) expect(kind).toBe('client');
    if (kind === 'client') expect(received.length).toBe(sent.length);
  }
}

it('whatever clients and hooks do, hooks never overlap, bytes keep their order, and every place is given back', async () => {
  await fc.assert(fc.asyncProperty(plans, play), {
    seed: SEED,
    numRuns: RUNS,
    timeout: RUN_LIMIT_MS,
    endOnFailure: true,
  });
});
