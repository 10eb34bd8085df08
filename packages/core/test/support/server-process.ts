import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { DescriptorInput } from '@reagent/core';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** Builds the package, which the process runs; what is up to date costs little. */
export async function build(): Promise<void> {
  const script = path('../../../../scripts/build.mjs');
  const child = spawn(process.execPath, [script, 'packages/core'], { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the package cannot be built: the build ended with code ${code}`);
}

export interface ServerProcessOptions {
  readonly descriptor: DescriptorInput;
  readonly polite?: boolean;
  /** The most file descriptors it may have. */
  readonly descriptors?: number;
  /** What the process gets as its descriptor 3. */
  readonly inherited?: number;
}

/** A running `server-process.mjs`. */
export class ServerProcess implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #log: string[];
  readonly #exit: Promise<[code: number | null, signal: string | null]>;
  #heard = () => {};

  private constructor(child: ChildProcess, port: number, log: string[]) {
    this.#child = child;
    this.port = port;
    this.#log = log;
    this.#exit = once(child, 'exit') as Promise<[number | null, string | null]>;
    child.stderr?.on('data', () => this.#heard());
  }

  static async start({
    descriptor,
    polite = false,
    descriptors,
    inherited,
  }: ServerProcessOptions): Promise<ServerProcess> {
    const argument = JSON.stringify({ descriptor, polite });
    const script = path('./server-process.mjs');
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', ...(inherited === undefined ? [] : [inherited])];
    const child =
      descriptors === undefined
        ? spawn(process.execPath, [script, argument], { stdio })
        : spawn('sh', ['-c', `ulimit -n ${descriptors} && exec "$@"`, 'sh', process.execPath, script, argument], {
            stdio,
          });
    const log: string[] = [];
    child.stderr?.setEncoding('utf8').on('data', (text: string) => log.push(text));
    if (child.stdout === null) throw new Error('the process has no output');
    for await (const line of createInterface(child.stdout)) {
      if (line.startsWith('ready ')) return new ServerProcess(child, Number(line.slice(6)), log);
    }
    throw new Error(`the server did not start:\n${log.join('')}`);
  }

  /** All that it has written to stderr. */
  get log(): string {
    return this.#log.join('');
  }

  /** Waits until the log matches. */
  async logged(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.log)) await new Promise<void>((resolve) => (this.#heard = resolve));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** How it ended: its code, or the signal that killed it. */
  async exit(): Promise<number | string | null> {
    const [code, signal] = await this.#exit;
    return code ?? signal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#exit;
  }
}
