// Programs from outside, so that the other end of a connection is none of ours.

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

const LIMIT_MS = 10_000;

/** Whether a program is installed here. */
export function has(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}

/** What the name of a test says where a program that it needs is missing. */
export function needs(...names: string[]): string {
  const missing = names.filter((name) => !has(name));
  return missing.length === 0 ? '' : ` (skipped: no ${missing.join(', no ')} here)`;
}

/** A running program. `await using` ends it. */
export class Program implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exit: Promise<unknown>;
  readonly #out: Buffer[] = [];
  readonly #err: Buffer[] = [];
  readonly #waiting = new Set<() => void>();

  private constructor(name: string, args: readonly string[]) {
    this.name = name;
    this.#child = spawn(name, args);
    this.#exit = once(this.#child, 'close');
    this.#child.stdin.on('error', () => {}); // It has ended, which its exit tells.
    this.#collect('stdout', this.#out);
    this.#collect('stderr', this.#err);
  }

  static start(name: string, args: readonly string[]): Program {
    return new Program(name, args);
  }

  /** Starts it, gives it its input and waits for its end. */
  static async run(name: string, args: readonly string[], input: string | Uint8Array = ''): Promise<Program> {
    const program = new Program(name, args);
    program.end(input);
    await program.exit();
    return program;
  }

  /** All that it has written. */
  get output(): string {
    return Buffer.concat(this.#out).toString('latin1');
  }

  get errors(): string {
    return Buffer.concat(this.#err).toString('latin1');
  }

  write(input: string | Uint8Array): void {
    this.#child.stdin.write(input);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** To the process that it has started itself: the first one that it has. */
  signalChild(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ');
    process.kill(Number(child), signal);
  }

  /** Ends its input. */
  end(input: string | Uint8Array = ''): void {
    this.#child.stdin.end(input);
  }

  /** Waits until its output matches, and returns the match. */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(() => pattern.exec(this.output) ?? undefined, `to print ${pattern}`);
  }

  /** Waits until what it complains of matches, and returns the match. */
  complained(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(() => pattern.exec(this.errors) ?? undefined, `to complain of ${pattern}`);
  }

  /** Waits for its end; its code, or the signal that killed it. */
  async exit(): Promise<number | string | null> {
    const ended = this.#until(() => this.#child.exitCode ?? this.#child.signalCode ?? undefined, 'to end');
    void this.#exit.then(() => this.#look());
    await Promise.all([ended, this.#exit]);
    return ended;
  }

  /** Ends it in mid-sentence. */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #collect(stream: 'stdout' | 'stderr', into: Buffer[]): void {
    this.#child[stream].on('data', (chunk: Buffer) => {
      into.push(chunk);
      this.#look();
    });
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }

  #until<T>(attempt: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = attempt();
        if (found !== undefined) settle(() => resolve(found));
      };
      const settle = (tell: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        tell();
      };
      const fail = (): void => {
        this.#child.kill('SIGKILL');
        reject(new Error(`${this.name} was expected ${what}; it has written:\n${this.output}\n${this.errors}`));
      };
      const timer = setTimeout(() => settle(fail), LIMIT_MS);
      this.#waiting.add(look);
      look();
    });
  }
}
