import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs a CommonJS script in a process of its own and waits for its end. */
export async function runScript(script: string): Promise<void> {
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'ignore', 'inherit'] });
  await once(child, 'exit');
}
