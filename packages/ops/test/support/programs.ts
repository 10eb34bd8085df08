import { spawnSync } from 'node:child_process';

/** Whether a program is installed: tests that need one which is not are skipped. */
export function has(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0;
}
