import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

/** Descriptors kept back from connections, for files, name lookups, logs and connections that handlers open: a part and its bounds. */
const RESERVED_PART = 0.05;
const LEAST_RESERVED = 16;
const MOST_RESERVED = 512;

/** How many descriptors the process may have open: read from the system once. `Infinity` where that cannot be known. */
export function descriptorLimit(): number {
  limit ??= readLimit();
  return limit;
}

let limit: number | undefined;

/** A socket whose descriptor has this number or a higher one is over the ceiling. */
export function descriptorCeiling(): number {
  const all = descriptorLimit();
  return all - Math.ceil(Math.min(MOST_RESERVED, Math.max(LEAST_RESERVED, all * RESERVED_PART)));
}

/**
 * The number of a socket's descriptor; -1 where it has none.
 *
 * The system always hands out the lowest free number, so that of a socket just accepted tells how many are taken, whoever took
 * them: no count has to be kept, and nothing that opens descriptors can be overlooked.
 */
export function descriptorOf(socket: Socket): number {
  const { _handle } = socket as Socket & { readonly _handle?: { readonly fd?: number } | null };
  return _handle?.fd ?? -1;
}

function readLimit(): number {
  if (process.platform === 'win32') return Infinity;
  try {
    const line = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    if (line?.[1] !== undefined) return line[1] === 'unlimited' ? Infinity : Number(line[1]);
  } catch {
    // Not Linux: the diagnostic report knows it too, but takes a hundred times as long.
  }
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } };
  const soft = userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : Infinity;
}
