// The processes that are measured with: a server each, and the load on it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Machine } from './machine.js';
import type { Load } from './scenarios.js';
import type { Answers, Question } from './server.js';

/** How long a process may take to answer, beyond the time that it was asked to run for, in milliseconds. */
const PATIENCE = 60_000;

/** What a slice of load has seen. */
export interface LoadResult {
  readonly messages: number;
  readonly seconds: number;
  /** CPU seconds of the load itself. */
  readonly cpu: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** The server of a peer, in a process of its own. */
export class ServerProcess {
  readonly #child: ChildProcess;

  private constructor(
    child: ChildProcess,
    readonly port: number,
  ) {
    this.#child = child;
  }

  static async start(machine: Machine, peer: string, runtime: string = process.execPath): Promise<ServerProcess> {
    const flags = runtime === process.execPath ? ['--expose-gc'] : [];
    const [command, args] = pinned(
      [runtime, ...flags, fileURLToPath(new URL('server.js', import.meta.url)), peer],
      machine.cores?.server,
    );
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    return new ServerProcess(child, (await answerOf(child, peer)) as number);
  }

  async ask<Q extends Question>(question: Q): Promise<Answers[Q]> {
    const answer = answerOf(this.#child, question);
    this.#child.send(question);
    return (await answer) as Answers[Q];
  }

  stop(): Promise<void> {
    return stop(this.#child);
  }
}

/** The load on one server: connections that stay open from slice to slice. */
export class LoadProcess {
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #lines: Interface;

  private constructor(child: ChildProcess, input: Writable, lines: Interface) {
    this.#child = child;
    this.#input = input;
    this.#lines = lines;
  }

  /** Resolves when all connections are open. */
  static async start(machine: Machine, port: number, load: Load): Promise<LoadProcess> {
    const { mode, security, connections, active, depth, touch, request, response } = load;
    const counts = [connections, active, depth, touch ? 1 : 0].map(String);
    const texts = [request, response].map((text) => Buffer.from(text).toString('hex'));
    const program = security === 'plain' ? machine.load : machine.tlsLoad;
    const [command, args] = pinned(
      [...program, String(port), mode, security, ...counts, ...texts],
      machine.cores?.load,
    );
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const process = new LoadProcess(
      child,
      child.stdin as Writable,
      createInterface({ input: child.stdout as Readable }),
    );
    await process.#line(PATIENCE);
    return process;
  }

  async run(seconds: number): Promise<LoadResult> {
    const line = this.#line(seconds * 1_000 + PATIENCE);
    this.#input.write(`${seconds}\n`);
    return JSON.parse(await line) as LoadResult;
  }

  stop(): Promise<void> {
    return stop(this.#child);
  }

  async #line(patience: number): Promise<string> {
    const [line] = await unlessEnded(this.#child, 'the load', patience, (signal) =>
      once(this.#lines, 'line', { signal }),
    );
    return line as string;
  }
}

/** A command that runs on one core. */
export function pinned(command: readonly string[], core: number | undefined): [string, string[]] {
  const [program = '', ...args] = core === undefined ? command : ['taskset', '-c', String(core), ...command];
  return [program, args];
}

async function answerOf(child: ChildProcess, question: string): Promise<unknown> {
  const [answer] = await unlessEnded(child, question, PATIENCE, (signal) => once(child, 'message', { signal }));
  return answer;
}

/** What `wait` gives, or an error as soon as the process has ended or the time is over. */
async function unlessEnded<T>(
  child: ChildProcess,
  what: string,
  patience: number,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(patience)]);
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`${what}: the process has ended with code ${code}`);
  });
  try {
    return await Promise.race([wait(signal), ended]);
  } finally {
    ended.catch(() => undefined); // Whoever waits is told by the race.
    over.abort();
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
