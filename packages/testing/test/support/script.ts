import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** Builds the package, for scripts that use it as users do; what is up to date costs little. */
export function build(): void {
  const compiler = path('../../../../node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-b', path('../..')], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the package does not compile:\n${stdout}`);
}

/** Runs a script, a module, in a process of its own. */
export function runScript(text: string): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', text], {
    cwd: path('../..'),
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}
