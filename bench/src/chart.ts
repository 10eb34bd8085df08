// The budgets that are ratios, as a picture for the README: drawn here, so that it needs no dependency.

import { isMet, type Verdict } from './outcome.js';
import { amount } from './report.js';

const WIDTH = 900;
const ROW = 34;
const TOP = 52;
const LABELS = 440;
const BAR_WIDTH = 310;

/** A bar for each ratio: its length is the ratio as a part of its budget, so that all budgets lie on one line. */
export function chart(verdicts: readonly Verdict[], machine: string): string {
  const shown = verdicts.filter(({ unit }) => unit === '×');
  const height = TOP + shown.length * ROW + 34;
  const longest = Math.max(...shown.map(share), 1.2);
  const scale = BAR_WIDTH / longest;
  const budget = LABELS + scale;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
  <title>Messages per second of server CPU: reagent as a multiple of its rivals</title>
  <style>
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .quiet { fill: #59636e; font-size: 11px; }
    .met { fill: #2da44e; }
    .missed { fill: #cf222e; }
    .budget { stroke: #59636e; stroke-dasharray: 4 3; }
    @media (prefers-color-scheme: dark) { text { fill: #f0f6fc; } .quiet { fill: #9198a1; } }
  </style>
  <text x="12" y="22" font-weight="600">Messages per second of server CPU, as a multiple</text>
  <text class="quiet" x="${round(budget)}" y="42" text-anchor="middle">budget</text>
${shown.map((verdict, index) => bar(verdict, TOP + index * ROW, scale)).join('\n')}
  <line class="budget" x1="${round(budget)}" y1="${TOP - 4}" x2="${round(budget)}" y2="${TOP + shown.length * ROW}"/>
  <text class="quiet" x="12" y="${height - 12}">${escaped(machine)}</text>
</svg>
`;
}

function bar(verdict: Verdict, y: number, scale: number): string {
  const width = share(verdict) * scale;
  return `  <text x="12" y="${y + 18}">${escaped(verdict.what)}</text>
  <rect class="${isMet(verdict) ? 'met' : 'missed'}" x="${LABELS}" y="${y + 4}" width="${round(width)}" height="20" rx="3"/>
  <text x="${round(LABELS + width + 8)}" y="${y + 18}">${amount(verdict.measured, verdict)}<tspan class="quiet" dx="6">of ${amount(verdict.limit, verdict)}</tspan></text>`;
}

function share({ measured, limit }: Verdict): number {
  return measured / limit;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
