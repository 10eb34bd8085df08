// The processes of `operations.ts`: a server with workers, and its clients.

import { type ChildProcess, spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Question, Told } from './operations-server.js';

/** What clients have counted; `load/clients.c` says what each is. */
export interface Counts {
  readonly connected: number;
  readonly answered: number;
  readonly refused: number;
  readonly reset: number;
  readonly ended: number;
  readonly unanswered: { readonly reset: number; readonly end: number; readonly never: number };
  readonly torn: number;
  readonly wrong: number;
  /** Milliseconds. */
  readonly slowest: number;
  readonly pause: number;
}

/** A server with two workers. `await using` ends all of them. */
export class OperatedServer implements AsyncDisposable {
  /** Messages that those of its workers have looked at that have stopped. */
  handled = 0;
  ports = { visit: 0, stream: 0 };
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #status = new Map<number, string>();

  private constructor() {
    const main = fileURLToPath(new URL('operations-server.js', import.meta.url));
    this.#child = spawn(process.execPath, [main], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    this.#closed = once(this.#child, 'close');
    if (this.#child.stdout === null) throw new Error('the server has no output');
    createInterface(this.#child.stdout).on('line', (line) => {
      this.handled += Number(line);
    });
    this.#child.on('message', (told: Told) => {
      if (told.kind === 'worker' && told.pid !== undefined) this.#status.set(told.pid, told.status);
    });
  }

  static async start(): Promise<OperatedServer> {
    const server = new OperatedServer();
    server.ports = (await server.#told('up')).ports;
    return server;
  }

  /** The processes that listen. */
  get listening(): readonly number[] {
    return [...this.#status].filter(([, status]) => status === 'listening').map(([pid]) => pid);
  }

  /** How many connections a worker has. */
  async open(question: Question): Promise<number> {
    this.#child.send(question);
    return (await this.#told('open')).connections;
  }

  /** Resolves when all workers are others. */
  async reload(): Promise<void> {
    const leaving = this.listening;
    this.#child.kill('SIGHUP');
    await this.#told('worker', () => leaving.every((pid) => this.#status.get(pid) === 'stopped'));
  }

  /** Kills a worker; resolves when there is another one in its place. */
  async kill(pid: number): Promise<void> {
    const width = this.listening.length;
    process.kill(pid, 'SIGKILL');
    await this.#told('worker', ({ status }) => status === 'died');
    await this.#told('worker', () => this.listening.length === width);
  }

  /** Resolves when the last process has ended. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.stop();
  }

  async #told<Kind extends Told['kind']>(
    kind: Kind,
    isIt: (told: Extract<Told, { kind: Kind }>) => boolean = () => true,
  ): Promise<Extract<Told, { kind: Kind }>> {
    for await (const [told] of on(this.#child, 'message', { close: ['exit'] })) {
      if (told.kind === kind && isIt(told)) return told;
    }
    throw new Error('the server has ended');
  }
}

/** A running `clients.c`. `await using` ends it. */
export class Clients implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('the clients have no output');
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  /** Resolves when there have been replies for a while. */
  static async start(program: string, args: readonly string[]): Promise<Clients> {
    const clients = new Clients(program, args);
    await clients.#line();
    return clients;
  }

  async stop(): Promise<Counts> {
    this.#child.stdin?.end();
    return JSON.parse(await this.#line()) as Counts;
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the clients have ended');
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill('SIGKILL');
  }
}
