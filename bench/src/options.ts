import { parseArgs } from 'node:util';

export interface Options {
  /** Only scenarios whose name contains one of these; empty for all. */
  readonly only: readonly string[];
  /** How many times everything is measured with fresh processes. */
  readonly generations: number;
  /** Slices measured of each peer in one generation. */
  readonly rounds: number;
  /** Length of a slice. */
  readonly seconds: number;
  /** Where the figures are written besides `results/latest.json`. */
  readonly json: string | undefined;
  /** Exit with code 1 if a budget is missed. */
  readonly strict: boolean;
  readonly help: boolean;
}

export const usage = `Usage: pnpm bench [options]

Measures reagent and its peers side by side and compares the figures with the budgets.

      --only NAME[,NAME]  only scenarios whose name contains one of these; results/ is left as it is
      --generations N     how many times to measure with fresh processes (default: 3)
      --rounds N          slices of each peer in one generation (default: 12)
      --seconds S         length of a slice (default: 0.25)
      --json FILE         write the figures there too
      --strict            exit with code 1 if a budget is missed
  -h, --help              this text
`;

/** A command line that cannot be followed. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError */
export function readOptions(args: readonly string[]): Options {
  const values = parse(args[0] === '--' ? args.slice(1) : args);
  return {
    only: values.only?.split(',') ?? [],
    generations: readNumber('--generations', values.generations, 3, 1),
    rounds: readNumber('--rounds', values.rounds, 12, 1),
    seconds: readNumber('--seconds', values.seconds, 0.25, 0.05),
    json: values.json,
    strict: values.strict ?? false,
    help: values.help ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: 'string' },
        generations: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        json: { type: 'string' },
        strict: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function readNumber(name: string, text: string | undefined, fallback: number, least: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  const whole = Number.isInteger(least);
  if (value >= least && value <= 1_000 && (!whole || Number.isInteger(value))) return value;
  throw new UsageError(
    `${name} must be a ${whole ? 'whole ' : ''}number from ${least} to 1000, got ${JSON.stringify(text)}`,
  );
}
