import { spawnSync } from 'node:child_process';

/** Where a program is installed; `undefined` where it is not, and tests that need it are skipped. */
export function pathOf(program: string): string | undefined {
  const { status, stdout } = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}
