// Builds what runs: `node scripts/build.mjs [projects…]`, all of them if none is named. What is up to date costs a fraction of a second.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));

/**
 * Compiles projects and what they depend on. tsc says on stderr and stdout what does not compile.
 *
 * @param {readonly string[]} [projects] such as `['apps/echo']`; none are all
 * @returns the exit code: 0 if all is built
 */
export async function build(projects = []) {
  const compiler = spawn(process.execPath, [tsc, '-b', ...projects], { cwd: root, stdio: 'inherit' });
  const kill = () => compiler.kill();
  const signals = /** @type {const} */ (['SIGTERM', 'SIGINT']);
  for (const signal of signals) process.once(signal, kill);
  const [code] = await once(compiler, 'exit');
  for (const signal of signals) process.off(signal, kill);
  if (code === 0) await bundle();
  return code ?? 1;
}

const [, program, ...projects] = process.argv;
if (program !== undefined && realpathSync(program) === fileURLToPath(import.meta.url))
  process.exitCode = await build(projects);
