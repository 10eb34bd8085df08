import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./workers-process.mjs', import.meta.url));
const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** Builds what the process loads. */
export function build(): void {
  execFileSync(process.execPath, ['scripts/build.mjs', 'packages/ops'], { cwd: root, stdio: 'inherit' });
}

/** A server with two workers and operations, in processes of its own. `await using` ends all of them. */
export class WorkersServer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #log = '';
  /** Where operations are served. */
  url = '';
  /** Of the echo server. */
  port = 0;

  private constructor() {
    this.#child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.#closed = once(this.#child, 'close');
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
    });
  }

  /** Resolves when the application is up. */
  static async start(): Promise<WorkersServer> {
    const server = new WorkersServer();
    const { stdout } = server.#child;
    if (stdout === null) throw new Error('the process has no output');
    const [line] = (await Promise.race([
      once(createInterface({ input: stdout }), 'line'),
      server.#closed.then(() => {
        throw new Error(`the server did not start:\n${server.#log}`);
      }),
    ])) as [string];
    Object.assign(server, JSON.parse(line));
    return server;
  }

  get log(): string {
    return this.#log;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Its exit code, or the signal that killed it. */
  async exit(): Promise<number | string | null> {
    await this.#closed;
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // All of them have ended.
    }
    await this.#closed;
  }
}
