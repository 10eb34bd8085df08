// Where the listeners of an application under test go, so that tests can run side by side.

import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DescriptorInput } from '@reagent/core';

/** How clients of a test reach a listener. */
export type Transport = 'tcp' | 'unix' | 'memory';

const LOOPBACK = '127.0.0.1';

/**
 * Puts each listener on a port of its own on the loopback interface, also one that would inherit its descriptor, and
 * one with a Unix socket on a path of its own. What the test gives for a listener wins.
 */
export class Placement {
  readonly #given: Readonly<Record<string, DescriptorInput>>;
  readonly #transport: Transport | undefined;
  readonly #placed = new Set<string>();
  readonly #paths = new Map<string, string>();
  #directory: string | undefined;

  constructor(given: Readonly<Record<string, DescriptorInput>>, transport?: Transport) {
    this.#given = given;
    this.#transport = transport;
  }

  /** The override of one listener's descriptor. */
  place(name: string, descriptor: DescriptorInput): DescriptorInput {
    this.#placed.add(name);
    const given = this.#given[name] ?? {};
    if (given.path !== undefined || given.fd !== undefined) return given;
    const isUnix = this.#transport === undefined ? descriptor.path !== undefined : this.#transport === 'unix';
    if (given.port === undefined && isUnix) return { ...given, path: this.#pathOf(name) };
    return { port: 0, host: LOOPBACK, ...given };
  }

  /** Names that the test gave and that no listener has. */
  get unknown(): string[] {
    return Object.keys(this.#given).filter((name) => !this.#placed.has(name));
  }

  /** Removes the paths that were made. */
  async remove(): Promise<void> {
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
  }

  /** The same one each time: a descriptor may be asked for more than once. */
  #pathOf(name: string): string {
    this.#directory ??= mkdtempSync(join(tmpdir(), 'reagent-'));
    const path = this.#paths.get(name) ?? join(this.#directory, `${this.#paths.size + 1}.sock`);
    this.#paths.set(name, path);
    return path;
  }
}
