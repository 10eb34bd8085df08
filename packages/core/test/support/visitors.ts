import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./visitors.mjs', import.meta.url));

/** Where they go; with `ca` over TLS, trusting that. */
export type VisitorsTarget = { readonly port: number; readonly ca?: string } | { readonly path: string };

export interface Visits {
  readonly visits: number;
  /** How often something went wrong, by what it was. */
  readonly failures: Readonly<Record<string, number>>;
  /** Visits by the process that answered. */
  readonly hosts: Readonly<Record<string, number>>;
  /** Milliseconds. */
  readonly slowest: number;
}

/** A process of clients that connect, exchange a message and leave, over and over. */
export class Visitors implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #closed: Promise<unknown>;
  #printed = '';

  private constructor(targets: readonly VisitorsTarget[], concurrency: number) {
    const argument = JSON.stringify({ targets, concurrency });
    this.#child = spawn(process.execPath, [script, argument], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#closed = once(this.#child, 'close');
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#printed += text;
    });
  }

  /**
   * Resolves when a good many have been there.
   *
   * @param concurrency how many at a time, at each target
   */
  static async start(targets: readonly VisitorsTarget[], concurrency = 10): Promise<Visitors> {
    const visitors = new Visitors(targets, concurrency);
    while (!visitors.#printed.includes('busy')) await once(visitors.#child.stdout, 'data');
    return visitors;
  }

  /** Lets those who are there finish. */
  async stop(): Promise<Visits> {
    this.#child.stdin.end();
    await this.#closed;
    return JSON.parse(this.#printed.replace('busy', '')) as Visits;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill('SIGKILL');
    await this.#closed;
  }
}
