// CPU profiles of this process, as Chrome DevTools, editors and speedscope open them. The profiler of V8 is loaded when one is started.

import { writeFileSync } from 'node:fs';
import { access, constants, open, stat, unlink } from 'node:fs/promises';
import type { Profiler, Session } from 'node:inspector';
import { dirname, join, resolve } from 'node:path';
import { ProfileError } from '../errors.js';
import { startTimer } from '../timer.js';

const SUFFIX = '.cpuprofile';

/** Microseconds between two samples. */
const INTERVAL = 1_000;
const SHORTEST_INTERVAL = 50;
const LONGEST_INTERVAL = 1_000_000;

/** Milliseconds: a profile takes about 150 MB of memory an hour. */
const DURATION = 3_600_000;

/** The most characters of a file's name that it is named after. */
const LONGEST_NAME = 100;

export interface ProfileOptions {
  /**
   * Where it is written: a directory that exists, or, if it ends with `.cpuprofile`, a file, which is not overwritten. Default: the
   * working directory.
   */
  readonly path?: string | undefined;
  /** Microseconds between two samples, from 50 to 1 000 000: shorter ones show more and cost more. Default: 1 000. */
  readonly interval?: number | undefined;
  /** Milliseconds after which it ends by itself and is written, as it grows all the time. Default: 3 600 000, an hour. */
  readonly duration?: number | undefined;
}

/** A CPU profile that is being recorded. `await using` ends it. */
export interface Profile extends AsyncDisposable {
  /** Resolves with the path of the file as soon as it is written, after `stop()` or the end of its duration. Rejects as `stop()` does. */
  readonly written: Promise<string>;

  /**
   * Ends the recording and writes the file. Safe to call twice.
   *
   * @returns the path of the file
   * @throws ProfileError if it cannot be written
   */
  stop(): Promise<string>;
}

/**
 * Starts to record what this process, or this worker thread, spends its CPU time on.
 *
 * The file is written by `stop()`, at the end of `duration`, or when the process exits. It is named after the process and the time of the
 * start, such as `CPU-4711-20260301T120000Z.cpuprofile`. To start and to stop hold the process up for some milliseconds; several profiles
 * may be recorded at the same time.
 *
 * @example
 * ```ts
 * const profile = await startProfile({ path: '/var/tmp', duration: 30_000 });
 * console.log(await profile.written);
 * ```
 *
 * @throws ProfileError if the directory does not exist or may not be written to, RangeError if an option is out of range
 */
export function startProfile(options: ProfileOptions = {}): Promise<Profile> {
  return Recording.start(options, () => 'CPU');
}

/** Where a profile goes. */
interface Place {
  readonly directory: string;
  /** Of the file, without its suffix; `undefined` if it is to be named after what it is of. */
  readonly stem: string | undefined;
}

function placeOf(path: string): Place {
  const absolute = resolve(path);
  if (!absolute.endsWith(SUFFIX)) return { directory: absolute, stem: undefined };
  const directory = dirname(absolute);
  return { directory, stem: absolute.slice(directory.length, -SUFFIX.length).replace(/^[\\/]/, '') };
}

/** @throws ProfileError unless files can be made there */
async function findPlace(path = '.'): Promise<Place> {
  const place = placeOf(path);
  const { directory } = place;
  try {
    const found = await stat(directory);
    if (!found.isDirectory()) throw Object.assign(new Error(`${directory} is a file`), { code: 'ENOTDIR' });
    await access(directory, constants.W_OK);
  } catch (error) {
    throw new ProfileError(`no CPU profile can be written to ${directory}: ${causeOf(error)}`, { cause: error });
  }
  return place;
}

function causeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return 'the directory does not exist; make it, or name another one';
    case 'ENOTDIR':
      return `it is no directory; name one, or a file that ends with ${SUFFIX}`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `this process may not write there (${code}); give it the permission, or name another directory`;
    default:
      return message;
  }
}

/** Those that have not ended: they are written if the process exits. */
const running = new Set<Recording>();

/** The profiler at work. */
export class Recording implements Profile {
  readonly written: Promise<string>;
  readonly #place: Place;
  readonly #session: Session;
  readonly #nameOf: () => string;
  readonly #startedAt = new Date();
  readonly #timer: NodeJS.Timeout | undefined;
  #settle: (written: Promise<string>) => void = () => undefined;
  #stopped: Promise<string> | undefined;

  private constructor(place: Place, session: Session, duration: number, nameOf: () => string) {
    this.#place = place;
    this.#session = session;
    this.#nameOf = nameOf;
    this.written = new Promise((resolve) => {
      this.#settle = resolve;
    });
    // Whoever stops it is told of the error too.
    this.written.catch(() => {});
    // What it rejects with, `written` tells.
    this.#timer = startTimer(duration, () => void this.stop().catch(() => {}))?.unref();
    if (running.size === 0) process.on('exit', writeAll);
    running.add(this);
  }

  /** @param nameOf what the file is named after, asked at the end */
  static async start(options: ProfileOptions, nameOf: () => string): Promise<Recording> {
    const { path, interval = INTERVAL, duration = DURATION } = options;
    requireRange('interval', interval, SHORTEST_INTERVAL, LONGEST_INTERVAL);
    requireRange('duration', duration, 1, Number.POSITIVE_INFINITY);
    const place = await findPlace(path);
    return new Recording(place, await record(Math.round(interval)), duration, nameOf);
  }

  stop(): Promise<string> {
    if (this.#stopped === undefined) {
      this.#stopped = this.#write();
      this.#settle(this.#stopped);
    }
    return this.#stopped;
  }

  /** Ends it, and writes nothing. */
  discard(): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = Promise.reject(new ProfileError('the CPU profile was discarded'));
    this.#settle(this.#stopped);
    this.#end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop().then(() => undefined);
  }

  async #write(): Promise<string> {
    const text = this.#end();
    for (let number = 1; ; number++) {
      const path = this.#path(number);
      try {
        await writeNew(path, text);
        return path;
      } catch (error) {
        if (isTaken(error)) continue;
        throw new ProfileError(`the CPU profile could not be written to ${path}: ${causeOf(error)}`, { cause: error });
      }
    }
  }

  /** The process exits: there is no time but now. */
  writeAtOnce(): void {
    const text = this.#end();
    for (let number = 1; ; number++) {
      try {
        writeFileSync(this.#path(number), text, { flag: 'wx' });
        return;
      } catch (error) {
        // Nobody is left who could be told of another.
        if (!isTaken(error)) return;
      }
    }
  }

  /** The profile as text. */
  #end(): string {
    clearTimeout(this.#timer);
    running.delete(this);
    if (running.size === 0) process.off('exit', writeAll);
    const { profile } = ask<Profiler.StopReturnType>(this.#session, 'Profiler.stop');
    this.#session.disconnect();
    return JSON.stringify(profile);
  }

  /** @param number of the attempt, as files are not overwritten */
  #path(number: number): string {
    const time = this.#startedAt.toISOString().replace(/[-:]|\.\d+/g, '');
    const stem = this.#place.stem ?? `${fileName(this.#nameOf())}-${process.pid}-${time}`;
    return join(this.#place.directory, `${stem}${number === 1 ? '' : `-${number}`}${SUFFIX}`);
  }
}

function writeAll(): void {
  for (const recording of [...running]) recording.writeAtOnce();
}

async function record(interval: number): Promise<Session> {
  let session: Session;
  try {
    const inspector = await import('node:inspector');
    session = new inspector.Session();
    session.connect();
    ask(session, 'Profiler.enable');
    ask(session, 'Profiler.setSamplingInterval', { interval });
    ask(session, 'Profiler.start');
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new ProfileError(`the profiler of this Node.js could not be started: ${message}`, { cause: error });
  }
  return session;
}

/** What the profiler answers. In the process that it is about, it does so at once. */
function ask<Answer>(session: Session, method: string, parameters: object = {}): Answer {
  let failure: Error | null = null;
  let answer: object | undefined;
  session.post(method, parameters, (error, result) => {
    failure = error;
    answer = result;
  });
  if (failure !== null) throw failure;
  return answer as Answer;
}

/** Writes a file that must not exist; leaves none behind that is not complete. */
async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(text);
  } catch (error) {
    // That it cannot be removed either is worth less than why it could not be written.
    await unlink(path).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
}

function isTaken(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EEXIST';
}

/** A name as it can be part of a file's name. */
function fileName(name: string): string {
  return name.replace(/[^\w.+-]+/g, '_').slice(0, LONGEST_NAME);
}

function requireRange(what: string, value: number, from: number, to: number): void {
  if (value >= from && value <= to) return;
  throw new RangeError(`${what} takes a number from ${from} to ${to}, not ${value}`);
}
