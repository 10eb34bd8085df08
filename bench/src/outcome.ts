import type { Machine } from './machine.js';
import type { Options } from './options.js';

/** A budget and what was measured. */
export interface Verdict {
  readonly what: string;
  readonly measured: number;
  /** How far the middle half of the samples spreads to either side; 0 where there is nothing to spread. */
  readonly spread: number;
  readonly limit: number;
  readonly kind: 'at least' | 'at most';
  readonly unit: '×' | 'bytes' | 'ms' | 'promises';
}

/** The figures of one side of a comparison, by their names. */
export type Figures = Readonly<Record<string, number>>;

export interface Outcome {
  readonly title: string;
  /** By contender. */
  readonly figures: Readonly<Record<string, Figures>>;
  readonly verdicts: readonly Verdict[];
}

/** Something that can be measured by itself, with `--only`. */
export interface Measurement {
  readonly name: string;
  measure(machine: Machine, options: Options): Promise<Outcome>;
}

export function isMet({ measured, limit, kind }: Verdict): boolean {
  return kind === 'at least' ? measured >= limit : measured <= limit;
}
