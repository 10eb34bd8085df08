import { type BigIntStats, closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';

/** How often the files are looked at, in milliseconds. */
export const CERTIFICATE_CHECK_INTERVAL = 1_000;

/** Files by their absolute paths, each with the state in which it was seen. */
export type FileStates = ReadonlyMap<string, string>;

/** Reads a file, with the state that it had then. Throws the system's error. */
export function readWithState(path: string): { bytes: Buffer; state: string } {
  const descriptor = openSync(path, 'r');
  try {
    // Before it is read: what changes meanwhile is a change.
    const state = stateOf(fstatSync(descriptor, { bigint: true }));
    return { bytes: readFileSync(descriptor), state };
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Calls back when files have changed and the change has settled: when they differ from what was read, and two looks in a row find the
 * same. So certificate and key that are replaced one soon after the other are one change.
 *
 * It looks at the files instead of being notified: that works alike for a file that is written in place or replaced, for a link that is
 * turned to another file or directory, for one that is away for a moment, and on file systems of other machines.
 *
 * The callback must not throw.
 */
export class CertificateFiles {
  readonly #onChange: () => void;
  readonly #interval: number;
  /** As they were last read. */
  #known: FileStates = new Map();
  /** As they were at the last look, if that found a change. */
  #unsettled: FileStates | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Which call of `watch` counts: a look that began before it is void. */
  #generation = 0;

  /** @param interval milliseconds between two looks */
  constructor(onChange: () => void, interval = CERTIFICATE_CHECK_INTERVAL) {
    this.#onChange = onChange;
    this.#interval = interval;
  }

  /** Watches these files, and no others any more, for changes from the state in which they were read. */
  watch(files: FileStates): void {
    this.stop();
    this.#known = files;
    if (files.size > 0) this.#lookLater();
  }

  /** Watches nothing any more, and does not call back. */
  stop(): void {
    this.#generation++;
    this.#unsettled = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #lookLater(): void {
    // The next look is planned when one is done, so that they never overlap, however slow the file system is.
    this.#timer = setTimeout(() => void this.#look(this.#generation), this.#interval).unref();
  }

  async #look(generation: number): Promise<void> {
    const found = await statesOf(this.#known.keys());
    if (generation !== this.#generation) return;
    const settled = this.#unsettled !== undefined && same(found, this.#unsettled);
    this.#unsettled = same(found, this.#known) || settled ? undefined : found;
    // First, since the callback may call `watch` or `stop`.
    this.#lookLater();
    if (!settled) return;
    this.#known = found;
    this.#onChange();
  }
}

async function statesOf(paths: Iterable<string>): Promise<FileStates> {
  const states = new Map<string, string>();
  // One after the other: a file system that hangs takes one thread of the pool, and not all of them.
  for (const path of paths) states.set(path, await currentState(path));
  return states;
}

async function currentState(path: string): Promise<string> {
  try {
    return stateOf(await stat(path, { bigint: true }));
  } catch (error) {
    // That it cannot be seen is a state too: if it lasts, reloading will tell.
    return String((error as NodeJS.ErrnoException).code);
  }
}

function stateOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

function same(one: FileStates, other: FileStates): boolean {
  for (const [path, state] of one) if (other.get(path) !== state) return false;
  return true;
}
