// The figures as text.

import { type Figures, isMet, type Outcome, type Verdict } from './outcome.js';

const columns: Readonly<Record<string, (value: number) => string>> = {
  rate: (value) => Math.round(value).toLocaleString('en'),
  perSecond: (value) => Math.round(value).toLocaleString('en'),
  ratio: (value) => `${value.toFixed(3)} ×`,
  spread: (value) => `± ${value.toFixed(3)}`,
  p50: (value) => `${Math.round(value)} µs`,
  p99: (value) => `${Math.round(value)} µs`,
  serverCpu: (value) => `${Math.round(100 * value)} %`,
  loadCpu: (value) => `${Math.round(100 * value)} %`,
  heap: (value) => `${Math.round(value)} B`,
  resident: (value) => `${Math.round(value)} B`,
  cpu: (value) => `${value.toFixed(1)} ms`,
  promises: (value) => value.toFixed(2),
};

const headings: Readonly<Record<string, string>> = {
  rate: 'per CPU s',
  perSecond: 'per s',
  ratio: 'ratio',
  spread: '',
  serverCpu: 'server CPU',
  loadCpu: 'load CPU',
  cpu: 'CPU',
};

export function describeOutcome({ title, figures }: Outcome): string {
  const keys = Object.keys(Object.values(figures)[0] ?? {});
  const rows = Object.entries(figures).map(([name, values]) => [name, ...keys.map((key) => show(key, values))]);
  return `${title}\n${table([['', ...keys.map((key) => headings[key] ?? key)], ...rows])}\n`;
}

export function describeVerdicts(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map((verdict) => [
    isMet(verdict) ? '✓' : '✗',
    verdict.what,
    amount(verdict.measured, verdict),
    verdict.spread === 0 ? '' : `± ${amount(verdict.spread, verdict)}`,
    `${verdict.kind} ${amount(verdict.limit, verdict)}`,
  ]);
  return `Budgets\n${table([['', '', 'measured', '', 'budget'], ...rows], 2)}\n`;
}

export function amount(value: number, { unit }: Pick<Verdict, 'unit'>): string {
  return unit === '×'
    ? `${value.toFixed(value < 9.995 ? 2 : 1)} ×`
    : `${Number(value.toFixed(unit === 'promises' ? 3 : 0))} ${unit}`;
}

function show(key: string, figures: Figures): string {
  const value = figures[key];
  return value === undefined || Number.isNaN(value) ? '' : (columns[key] ?? String)(value);
}

/** Rows as lines; the first columns are aligned to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[], left = 1): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column < left ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  '),
    )
    .map((line) => `  ${line.trimEnd()}`)
    .join('\n');
}
