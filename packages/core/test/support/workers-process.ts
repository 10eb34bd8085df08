import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { ApplicationStatistics, DescriptorInput, TlsOptions, WorkerStatus, WorkersInput } from '@reagent/core';
import { TestClient, type TestClientOptions } from '@reagent/testing';
import { workersProgram } from './workers-program.js';

/** How long a client waits for what is to come: several processes start meanwhile, and the machine may have other things to do. */
const PATIENCE_MS = 15_000;

/** The supervisor's timers of more than a second are over in a twentieth of it. Those of workers are as they are. */
export const hurried = [
  '--import',
  `data:text/javascript,${encodeURIComponent(
    'const { setTimeout: wait } = globalThis; if (!process.env.REAGENT_WORKER) globalThis.setTimeout = ' +
      '(call, time, ...rest) => wait(call, time > 1_000 ? time / 20 : time, ...rest);',
  )}`,
] as const;

export interface WorkersProcessOptions {
  /** Default: 2. */
  readonly workers?: WorkersInput;
  /** The descriptor of each reagent. Default: one on a port of its own. */
  readonly listeners?: readonly DescriptorInput[];
  readonly secure?: TlsOptions;
  /** Whether workers do not tell each client which process serves it, and only echo. */
  readonly silent?: boolean;
  /** What a worker does at the shutdown of each connection. Default: nothing. */
  readonly atShutdown?: 'goodbye' | 'close' | 'hang';
  /** What never ends in a worker that is to stop. Default: nothing. */
  readonly lasting?: 'disposal' | 'process';
  /** While this file says `all`, no worker can start; while it says `2`, number 2 cannot. */
  readonly faultFile?: string;
  /** Whether descriptors are functions, which only workers can call. */
  readonly lateDescriptors?: boolean;
  /** What the process gets as its descriptor 3. */
  readonly inherited?: number;
  /** Further arguments of Node.js. */
  readonly execArgv?: readonly string[];
}

interface Answer {
  readonly value?: unknown;
  readonly error?: { readonly name: string; readonly message: string; readonly code?: string };
}

export interface ListenerView {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly status: string;
}

/** A client, and the process that serves it. */
export interface ServedClient {
  readonly client: TestClient;
  readonly pid: number;
}

/** A running `workers-process.mjs` with its workers. `await using` ends all of them. */
export class WorkersProcess implements AsyncDisposable {
  /** As they were when the application was up. */
  listeners: readonly ListenerView[] = [];
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #output: string[] = [];
  readonly #answers = new Map<number, (answer: Answer) => void>();
  readonly #waiting = new Set<() => void>();
  #lastOrder = 0;

  private constructor(options: WorkersProcessOptions) {
    const { workers = 2, listeners = [{ port: 0, host: '127.0.0.1' }], execArgv = [], inherited, ...others } = options;
    const argument = JSON.stringify({ workers, listeners: listeners.map(named), ...others });
    const stdio: StdioOptions = ['pipe', 'pipe', 'pipe', ...(inherited === undefined ? [] : [inherited])];
    // In a process group of its own, as a terminal makes one for each command.
    this.#child = spawn(process.execPath, [...execArgv, workersProgram(), argument], { stdio, detached: true });
    this.#closed = once(this.#child, 'close');
    this.#child.once('close', () => this.#wake());
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#wrote(text));
    if (this.#child.stdout === null) throw new Error('the process has no output');
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#printed(line));
  }

  /** Resolves when the application is up. */
  static async start(options: WorkersProcessOptions = {}): Promise<WorkersProcess> {
    const running = new WorkersProcess(options);
    await running.logged(/^ready /m);
    return running;
  }

  /** Starts one that is not expected to come up; resolves to how it has ended. */
  static async fail(
    options: WorkersProcessOptions,
  ): Promise<{ code: number | string | null; log: string; pid: number }> {
    await using failing = new WorkersProcess(options);
    return { code: await failing.exit(), log: failing.log, pid: failing.pid };
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get port(): number {
    return this.listeners[0]?.port ?? 0;
  }

  /** All that it and its workers have written. */
  get log(): string {
    return this.#output.join('');
  }

  /**
   * Waits until the log matches.
   *
   * @param from where to begin: `log.length` at an earlier time
   */
  async logged(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.log.slice(from));
      if (match !== null) return match;
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`the process has ended without ${pattern}:\n${this.log}`);
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Has the supervisor do something; gives what it answers, or throws. */
  async ask(order: string, ...args: unknown[]): Promise<unknown> {
    const number = ++this.#lastOrder;
    const answered = new Promise<Answer>((resolve) => this.#answers.set(number, resolve));
    this.#child.stdin?.write(`${JSON.stringify([number, order, ...args])}\n`);
    const { value, error } = await answered;
    if (error !== undefined) throw Object.assign(new Error(error.message), error);
    return value;
  }

  async stats(): Promise<ApplicationStatistics> {
    return (await this.ask('stats')) as ApplicationStatistics;
  }

  /** The processes of the workers that have that status, by number. */
  async pids(status: WorkerStatus = 'listening'): Promise<number[]> {
    const { workers } = await this.stats();
    return workers?.processes.filter((worker) => worker.status === status).map(({ pid }) => pid ?? -1) ?? [];
  }

  /** The process of each worker that listens, by the number of the worker. */
  async pidsById(): Promise<Map<number, number>> {
    const { workers } = await this.stats();
    const listening = workers?.processes.filter(({ status }) => status === 'listening') ?? [];
    return new Map(listening.map(({ id, pid }) => [id, pid ?? -1]));
  }

  /** Connects to the first listener, if no other port is given. */
  async connect({ port = this.port, ...options }: TestClientOptions & { port?: number } = {}): Promise<ServedClient> {
    const client = await TestClient.connect({ port }, { timeout: PATIENCE_MS, ...options });
    return { client, pid: Number(await client.line()) };
  }

  /** A client of each worker, by its process. */
  async connectToEach(options: TestClientOptions = {}): Promise<Map<number, TestClient>> {
    const pids = await this.pids();
    const clients = new Map<number, TestClient>();
    while (clients.size < pids.length) {
      const { client, pid } = await this.connectPast([...clients.values()], options);
      if (clients.has(pid)) client.destroy();
      else clients.set(pid, client);
    }
    return clients;
  }

  /** Connects while the workers of these clients are busy: where all accept from one socket, the same one may always be the first. */
  async connectPast(clients: readonly TestClient[], options: TestClientOptions = {}): Promise<ServedClient> {
    for (const client of clients) await client.send('spin');
    const connected = await this.connect(options);
    for (const client of clients) await client.receive('spun\n');
    return connected;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** As a terminal does it: to the supervisor and all workers. */
  killGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal);
  }

  /** How the supervisor has ended: its code, or the signal that killed it. Resolves when no worker writes any more either. */
  async exit(): Promise<number | string | null> {
    await this.#closed;
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.killGroup('SIGKILL');
    } catch {
      // All of them have ended.
    }
    await this.#closed;
  }

  #wrote(text: string): void {
    this.#output.push(text);
    this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const look of waiting) look();
  }

  #printed(line: string): void {
    if (line.startsWith('answer ')) {
      const [number, answer] = JSON.parse(line.slice(7)) as [number, Answer];
      this.#answers.get(number)?.(answer);
      return;
    }
    if (line.startsWith('ready ')) this.listeners = JSON.parse(line.slice(6)) as ListenerView[];
    this.#wrote(`${line}\n`);
  }
}

/** Several listeners of one class body need names. */
function named(descriptor: DescriptorInput, index: number): DescriptorInput {
  return { name: `Server${index + 1}`, ...descriptor };
}
