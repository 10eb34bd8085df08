import { availableParallelism } from 'node:os';
import { inspect } from 'node:util';
import { numberHint } from '../descriptor/findings.js';
import { hintAt } from '../descriptor/spelling.js';
import type { Problem } from '../errors.js';
import type { AcceptMode } from '../telemetry/statistics.js';
import { canReusePort } from '../transport/bind.js';

/** How many worker processes an application has, and how they are looked after. */
export interface WorkersOptions {
  /** How many there are; `'auto'`: as many as this process may use cores. Default: `'auto'`. */
  readonly count?: number | 'auto' | undefined;
  /**
   * Who spreads connections over the workers: the kernel, evenly (`'reusePort'`: Linux, Node.js 22.12 or newer), or whoever comes first
   * (`'shared'`). Default: `'reusePort'` where there is that.
   */
  readonly accept?: AcceptMode | undefined;
  /** How many workers may die `within` a time and be replaced; one more ends the application. Default: 10, or 2 for each worker. */
  readonly maxRestarts?: number | undefined;
  /** The time in which deaths are counted, in milliseconds. Default: 60 000. */
  readonly within?: number | undefined;
  /**
   * How long a worker may give no sign of life, since its event loop is blocked, before it is killed and replaced, in milliseconds, 500 at
   * least; `false`: as long as it likes. Not while its inspector is open. Default: 10 000.
   */
  readonly heartbeat?: number | false | undefined;
  /** How long a worker may take until it listens, in milliseconds; `false`: as long as it likes. Default: 60 000. */
  readonly startTimeout?: number | false | undefined;
}

/** Options that were checked, and their defaults filled in. Times without limit are `Infinity`. */
export interface CheckedWorkersOptions {
  readonly count: number;
  readonly accept: AcceptMode;
  readonly maxRestarts: number;
  readonly within: number;
  readonly heartbeat: number;
  readonly startTimeout: number;
}

/** What `bootstrap` takes as `workers`. */
export type WorkersInput = WorkersOptions | number | 'auto';

const LEAST_RESTARTS = 10;
const LEAST_HEARTBEAT = 500;

/** Whether each worker can have a socket of its own on the same port. Other systems have the option, but do not spread connections. */
function hasReusePort(): boolean {
  return process.platform === 'linux' && canReusePort();
}

/** Checks the options and fills in their defaults, also in place of what is wrong. */
export function checkWorkers(input: WorkersInput): {
  readonly options: CheckedWorkersOptions;
  readonly problems: readonly Problem[];
} {
  const given: unknown = typeof input === 'number' || input === 'auto' ? { count: input } : input;
  const problems: Problem[] = [];
  const report = (path: string, message: string): void => {
    problems.push({ where: 'bootstrap()', path, message });
  };
  const isObject = typeof given === 'object' && given !== null;
  if (!isObject) {
    const message = `expected a number, 'auto' or options, received ${show(given)}${numberHint(given)}; leave it out for a single process`;
    report('workers', message);
  }
  const fields = (isObject ? given : {}) as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(fields)) {
    if (!known.includes(key)) report(`workers.${key}`, `is no option of it; ${hintAt(key, known)}`);
  }
  const number = (key: keyof WorkersOptions, least: number, preset: number, or?: string): number => {
    const value = fields[key];
    if (value === undefined || (key === 'count' && value === 'auto')) return preset;
    if (or === 'false' && (value === false || value === Number.POSITIVE_INFINITY)) return Number.POSITIVE_INFINITY;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
    const wanted = `a whole number of ${least} or more${or === undefined ? '' : ` or ${or}`}`;
    report(`workers.${key}`, `expected ${wanted}, received ${show(value)}${numberHint(value)}`);
    return preset;
  };
  const count = number('count', 1, availableParallelism(), "'auto'");
  const options: CheckedWorkersOptions = {
    count,
    accept: acceptMode(fields.accept, report),
    maxRestarts: number('maxRestarts', 0, Math.max(LEAST_RESTARTS, 2 * count)),
    within: number('within', 1, 60_000),
    heartbeat: number('heartbeat', LEAST_HEARTBEAT, 10_000, 'false'),
    startTimeout: number('startTimeout', 1, 60_000, 'false'),
  };
  return { options, problems };
}

const known: readonly string[] = [
  'count',
  'accept',
  'maxRestarts',
  'within',
  'heartbeat',
  'startTimeout',
] satisfies (keyof WorkersOptions)[];

function acceptMode(value: unknown, report: (path: string, message: string) => void): AcceptMode {
  const preset = hasReusePort() ? 'reusePort' : 'shared';
  if (value === 'shared') return value;
  if (value === undefined || value === preset) return preset;
  if (value === 'reusePort') {
    report('workers.accept', "'reusePort' needs Linux and Node.js 22.12 or newer; leave it out, or say 'shared'");
  } else {
    report('workers.accept', `expected 'reusePort' or 'shared', received ${show(value)}`);
  }
  return preset;
}

function show(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY });
}
