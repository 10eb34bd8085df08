// The checks of what a codec is called with. Mistakes in it are found when the codec is made, not when the first client comes.

import { hintAt } from '../descriptor/spelling.js';

/** The largest frame of a codec for bytes, where its options do not say otherwise. */
export const FRAME_MAX_LENGTH = 16 * 1_024 * 1_024;

/** Refuses what is no object, and options that the codec does not have: a misspelt limit would be no limit. */
export function requireOptions(codec: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${codec}() takes options such as { ${known[0]} }, not ${shown(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new TypeError(`${codec}() has no option ${name}; ${hintAt(name, known)}`);
  }
}

export function requireLength(codec: string, option: string, value: unknown, least = 1): void {
  if (Number.isSafeInteger(value) && (value as number) >= least) return;
  throw new RangeError(`${codec}({ ${option} }) takes a whole number of bytes from ${least} on, not ${shown(value)}`);
}

export function requireOneOf(codec: string, option: string, value: unknown, allowed: readonly unknown[]): void {
  if (allowed.includes(value)) return;
  throw new RangeError(`${codec}({ ${option} }) takes ${allowed.map(shown).join(', ')}, not ${shown(value)}`);
}

export function requireBoolean(codec: string, option: string, value: unknown): void {
  if (typeof value === 'boolean') return;
  throw new TypeError(`${codec}({ ${option} }) takes true or false, not ${shown(value)}`);
}

export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'an array' : `an object (${value.constructor?.name ?? 'null prototype'})`;
  if (typeof value === 'function') return `the function ${value.name}`;
  return typeof value === 'bigint' ? `${value}n` : String(value);
}
