import { resolve } from 'node:path';
import type { Logger } from '../telemetry/logger.js';
import { Recording } from '../telemetry/profiler.js';

/** A profile that listeners have in common. */
interface Shared {
  /** Of those that have served. */
  readonly names: string[];
  /** How many have not stopped. */
  bound: number;
  /** `undefined` if it could not be started, which is logged. */
  readonly recording: Promise<Recording | undefined>;
}

/** Those that are being recorded, by the paths that descriptors name. */
const running = new Map<string, Shared>();

/**
 * The part that a listener has in a CPU profile: that of all listeners with the same path, which is recorded from when the first of them is
 * bound until the last has stopped, and named after them. What goes wrong with it is logged, and does nothing to the listener.
 */
export class ListenerProfile {
  readonly #name: string;
  readonly #path: string;
  readonly #logger: Logger;
  #shared: Shared | undefined;

  /** @param profile as in the listener's descriptor */
  constructor(name: string, profile: string | true, logger: Logger) {
    this.#name = name;
    this.#path = resolve(profile === true ? '.' : profile);
    this.#logger = logger;
  }

  /** The listener is bound. */
  async start(): Promise<void> {
    let shared = running.get(this.#path);
    if (shared === undefined) {
      const names: string[] = [];
      shared = { names, bound: 0, recording: this.#record(names) };
      running.set(this.#path, shared);
    }
    shared.bound++;
    this.#shared = shared;
    await shared.recording;
  }

  /** The listener serves. */
  serve(): void {
    this.#shared?.names.push(this.#name);
  }

  /** The listener has stopped. Resolves when the file is written, to the last of those that have it in common. */
  async stop(): Promise<void> {
    const shared = this.#shared;
    this.#shared = undefined;
    if (shared === undefined || --shared.bound > 0) return;
    running.delete(this.#path);
    const recording = await shared.recording;
    if (shared.names.length === 0) recording?.discard();
    // What it rejects with is logged where it was started.
    else await recording?.stop().catch(() => {});
  }

  async #record(names: readonly string[]): Promise<Recording | undefined> {
    let recording: Recording;
    try {
      recording = await Recording.start({ path: this.#path }, () => names.join('+'));
    } catch (error) {
      this.#logger.error({ listener: this.#name, err: error }, 'no CPU profile is recorded');
      return undefined;
    }
    recording.written.then(
      (path) => this.#logger.info({ listener: names.join('+'), path }, 'CPU profile written'),
      (error: unknown) => {
        if (names.length > 0) this.#logger.error({ listener: names.join('+'), err: error }, 'the CPU profile is lost');
      },
    );
    return recording;
  }
}
