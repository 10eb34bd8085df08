// `pnpm start`: builds the echo app and runs it in this process. Arguments are the app's: `pnpm start --port 9000`. With `--workers`, this
// file runs in the workers too.

import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** How often to look whether the processes that started this one are still there. */
const LAUNCHER_CHECK_MS = 250;

/** How far up to look for them: npx makes four. */
const MAX_LAUNCHERS = 8;

const launchers = cluster.isPrimary ? findLaunchers() : [];
if (cluster.isPrimary) {
  const { build } = await import('./build.mjs');
  const code = await build(['apps/echo']);
  if (code !== 0) process.exit(code);
}
// `pnpm start -- --port 9000` hands the dashes on.
if (process.argv[2] === '--') process.argv.splice(2, 1);
// As an address, since what is built may be missing when this file is checked.
await import(new URL('../apps/echo/dist/main.js', import.meta.url).href);
// Workers stop when their supervisor does.
if (cluster.isPrimary) stopWithLaunchers();

/**
 * Ends the app as SIGTERM would when one of its launchers is gone.
 *
 * `npx pnpm start` makes a chain of npx, sh, pnpm, sh and this process. npm and sh do not pass a SIGTERM on to what they started:
 * they end, and without this the app would go on and keep its ports.
 */
function stopWithLaunchers() {
  const timer = setInterval(() => {
    if (launchers.every(({ pid, parent }) => parentOf(pid) === parent)) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, LAUNCHER_CHECK_MS);
  timer.unref();
  // A signal that did arrive is enough: the application takes a second one as "at once".
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => clearInterval(timer));
}

/**
 * This process and those above it up to the topmost npm or pnpm, each with its parent. The shell or service manager that started
 * those is none of them: a server outlives the terminal that it was started in with `nohup`.
 */
function findLaunchers() {
  const ancestors = [];
  let count = 0;
  for (let pid = process.pid; pid > 1 && ancestors.length < MAX_LAUNCHERS; ) {
    const parent = parentOf(pid);
    if (parent === undefined) break;
    ancestors.push({ pid, parent });
    if (isPackageManager(parent)) count = ancestors.length;
    pid = parent;
  }
  return ancestors.slice(0, count);
}

/** @param {number} pid */
function isPackageManager(pid) {
  // `pnpm start`, `npm exec pnpm@12 start` (npm sets its title), `node /usr/lib/pnpm.cjs start`
  const [program = '', script = ''] = read(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
  const name = basename(program) === 'node' ? basename(script) : basename(program.split(' ')[0] ?? '');
  return /^(pnpm|npm|npx)\b/.test(name);
}

/**
 * The parent of a process, undefined when it has ended. Other systems than Linux have no /proc: there only this process's own
 * parent is seen.
 *
 * @param {number} pid
 */
function parentOf(pid) {
  if (pid === process.pid) return process.ppid;
  // Behind the command's name, which is in parentheses and may hold anything: the state, then the parent.
  const fields = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ');
  return fields === undefined || fields[0] === 'Z' ? undefined : Number(fields[1]);
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It has ended, or the system has no /proc.
    return undefined;
  }
}
