import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** Builds the package, for scripts that use it as users do; what is up to date costs little. */
export function build(): void {
  const script = path('../../../../scripts/build.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, 'packages/testing'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the package cannot be built:\n${stdout}${stderr}`);
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
