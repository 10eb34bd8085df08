import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeExamples } from '../../../../scripts/examples.mjs';
import { adapted } from './page.js';

const root = fileURLToPath(new URL('../../../..', import.meta.url));

/** The programs of a page of the guide, compiled as a user would. */
export class GuidePrograms implements Disposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * @param page such as `'docs/telemetry.md'`
   * @param changes what a test has in the place of what a program has, by file
   */
  static compile(
    page: string,
    changes: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
  ): GuidePrograms {
    const run = (what: string, ...args: string[]): void => {
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
      if (status !== 0) throw new Error(`${what} do not compile:\n${stdout}${stderr}`);
    };
    run('the packages', 'scripts/build.mjs', 'packages/ops');
    const cache = join(root, 'node_modules/.cache');
    mkdirSync(cache, { recursive: true });
    // Under the repository, so that the programs find what it has installed.
    const folder = mkdtempSync(join(cache, 'guide-'));
    mkdirSync(join(folder, 'node_modules/@reagent'), { recursive: true });
    for (const name of ['core', 'ops']) {
      symlinkSync(join(root, 'packages', name), join(folder, 'node_modules/@reagent', name));
    }
    writeExamples(join(root, page), folder);
    for (const [file, change] of Object.entries(changes)) {
      const path = join(folder, file);
      writeFileSync(path, adapted(readFileSync(path, 'utf8'), change));
    }
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
    run(`the programs of ${page}`, 'node_modules/typescript/bin/tsc', '-p', folder);
    return new GuidePrograms(folder);
  }

  /** The path of something in their folder. */
  at(name: string): string {
    return join(this.#folder, name);
  }

  /** @param file such as `'main.ts'` */
  start(file: string, environment: Readonly<Record<string, string>>): GuideProgram {
    return new GuideProgram([process.execPath, this.at(file.replace(/\.ts$/, '.js'))], environment);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A program that runs. `await using` ends it. */
export class GuideProgram implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exit: Promise<[code: number | null, signal: string | null]>;
  #output = '';
  #heard = () => {};

  constructor([command, ...args]: readonly [string, ...string[]], environment: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    this.#exit = once(this.#child, 'exit') as Promise<[number | null, string | null]>;
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
        this.#heard();
      });
    }
    void this.#exit.then(() => this.#heard());
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** All that it has written, to whichever stream. */
  get output(): string {
    return this.#output;
  }

  /** Waits until its output matches, and returns the match. */
  async wrote(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) return match;
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`it was to write ${pattern}, and has ended:\n${this.#output}`);
      }
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits for its end: its code, or the signal that killed it. */
  async exit(): Promise<number | string | null> {
    const [code, signal] = await this.#exit;
    return code ?? signal;
  }

  /** Has it stop, and waits for its end. */
  terminate(): Promise<number | string | null> {
    this.kill('SIGTERM');
    return this.exit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#exit;
  }
}

const settings = {
  extends: join(root, 'tsconfig.base.json'),
  compilerOptions: {
    composite: false,
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
    typeRoots: [join(root, 'node_modules/@types')],
  },
  include: ['*.ts'],
};
