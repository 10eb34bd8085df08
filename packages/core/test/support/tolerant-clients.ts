import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Program } from './program.js';
import { TemporaryDirectory } from './temporary-directory.js';

const source = fileURLToPath(new URL('../../../../bench/load/clients.c', import.meta.url));

/** What such clients have counted; the source says what each is. */
export interface ClientCounts {
  readonly connected: number;
  readonly answered: number;
  readonly refused: number;
  readonly reset: number;
  readonly ended: number;
  readonly unanswered: { readonly reset: number; readonly end: number; readonly never: number };
  readonly torn: number;
  readonly wrong: number;
}

/** The bytes of a message. */
export const MESSAGE_BYTES = 64;

let program: string | undefined;

/** Compiles the clients. Returns what removes them. */
export async function compileClients(): Promise<() => Promise<void>> {
  const directory = await TemporaryDirectory.make();
  program = directory.at('clients');
  const compiler = await Program.run('cc', ['-O2', '-o', program, source]);
  if (compiler.errors !== '') throw new Error(`the clients do not compile:\n${compiler.errors}`);
  return () => directory[Symbol.asyncDispose]();
}

/** A process of clients that count what becomes of what they ask for, whatever happens to the server: the compiled `bench/load/clients.c`. */
export class TolerantClients implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor(args: readonly string[]) {
    if (program === undefined) throw new Error('the clients have not been compiled');
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  /** Resolves when there have been replies for a while. */
  static async start(port: number, mode: 'visit' | 'stream', connections: number): Promise<TolerantClients> {
    const depth = mode === 'visit' ? 1 : 8;
    const clients = new TolerantClients([port, mode, connections, depth].map(String));
    await clients.#line();
    return clients;
  }

  /** Has them ask for nothing more, and waits for what is under way. */
  async stop(): Promise<ClientCounts> {
    this.#child.stdin.end();
    return JSON.parse(await this.#line()) as ClientCounts;
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the clients have ended');
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}
