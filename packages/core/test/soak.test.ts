// A server under a random mix of hostile clients for a while, with honest ones all the time: none of them fails or waits for long, every
// client is counted, and at the end the process holds what it held before.
//
// REAGENT_SOAK_SECONDS makes it last longer, SOAK_SEED repeats a mix.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import type { ListenerStatistics } from '@reagent/core';
import { beforeAll, expect, it } from 'vitest';
import { counted } from './support/counted.js';
import { pki } from './support/fronts.js';
import { Random } from './support/random.js';
import { build } from './support/server-process.js';
import { misdeeds, SoakClient, type Target } from './support/soak-client.js';

const SECONDS = Number(process.env.REAGENT_SOAK_SECONDS ?? 3);
const SEED = Number(process.env.SOAK_SEED ?? Date.now() % 1_000_000);

const MEBIBYTE = 1_048_576;

/**
 * Bytes that the process may keep of the system's memory. In its first seconds it takes some for what it compiles and for bursts, and gives
 * it back when it likes: a run of minutes stays far below.
 */
const RESIDENT_MARGIN = 160 * MEBIBYTE;

/** Seconds before it is looked at what the process holds: by then it has done everything once. */
const WARM_UP = Math.max(1, Math.min(20, SECONDS / 5));

/** Hostile clients at a time, from so many hosts. All of a host's may be refused; those of all hosts leave room. */
const HOSTILE = 100;
const HOSTS = 8;

/** So many of one host come at once, as often as that. */
const BURST = 100;
const BURSTS = 0.02;

/** Milliseconds in which an honest client has its answer, at the very latest. */
const LIMIT = 10_000;

const eventLoop = monitorEventLoopDelay();
eventLoop.enable();

beforeAll(build);

interface Report {
  readonly rss: number;
  readonly heap: number;
  readonly descriptors: number;
  readonly resources: number;
  /** Milliseconds in which it served nobody at most. */
  readonly busy: number;
  readonly answered: number;
  readonly listeners: Readonly<Record<string, ListenerStatistics>>;
}

class SoakServer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly targets: readonly Target[];

  private constructor(child: ChildProcess, exit: Promise<unknown>, ports: Readonly<Record<string, number>>) {
    this.#child = child;
    this.#exit = exit;
    this.targets = Object.entries(ports).map(([name, port]) => ({
      name,
      port,
      isProxied: name === 'proxied' || name === 'both',
      isSecure: name === 'secure' || name === 'both',
    }));
  }

  static async start(): Promise<SoakServer> {
    const script = fileURLToPath(new URL('./support/soak-server.mjs', import.meta.url));
    const child = fork(script, [JSON.stringify({ secure: pki.server })], { execArgv: [] });
    const [{ ports }] = (await once(child, 'message')) as [{ ports: Readonly<Record<string, number>> }];
    return new SoakServer(child, once(child, 'exit'), ports);
  }

  async report(): Promise<Report> {
    const answer = once(this.#child, 'message') as Promise<[Report]>;
    this.#child.send('report');
    return (await answer)[0];
  }

  /** What it holds when its last connection is gone. */
  async settled(): Promise<Report> {
    for (;;) {
      const report = await this.report();
      if (Object.values(report.listeners).every(({ connections }) => connections.active === 0)) return report;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }
}

/** Who comes to the server, and how many there were. */
class Crowd {
  readonly connected = new Map<string, number>();
  answers = 0;
  /** For what an honest client has waited longest. */
  slowest = { milliseconds: 0, at: '', what: '' };
  readonly #targets: readonly Target[];
  readonly #random: Random;
  readonly #hostile = new Set<SoakClient>();
  #isOver = false;

  constructor(targets: readonly Target[], random: Random) {
    this.#targets = targets;
    this.#random = random;
  }

  get total(): number {
    return [...this.connected.values()].reduce((sum, count) => sum + count, 0);
  }

  async storm(seconds: number): Promise<void> {
    this.#isOver = false;
    const served = this.#targets.filter(({ name }) => name !== 'crowded');
    const coming = [
      ...Array.from({ length: HOSTILE }, () => this.#misbehave()),
      ...served.flatMap((target, index) => [
        this.#visit(target, `127.0.4.${1 + index}`),
        this.#stay(target, `127.0.5.${1 + index}`),
      ]),
    ];
    const all = Promise.all(coming);
    await Promise.race([delay(seconds * 1_000), all]);
    this.#isOver = true;
    for (const client of this.#hostile) client.destroy();
    await all;
  }

  readonly #count = ({ name }: Target): void => {
    this.connected.set(name, (this.connected.get(name) ?? 0) + 1);
  };

  async #misbehave(): Promise<void> {
    const random = this.#random;
    while (!this.#isOver) {
      const target = random.pick(this.#targets);
      if (random.next() < BURSTS) await this.#burst(target);
      const misdeed = random.pick(Object.values(misdeeds));
      const client = await SoakClient.connect(target, `127.0.3.${1 + random.below(HOSTS)}`, this.#count);
      this.#hostile.add(client);
      await misdeed(client, random);
      this.#hostile.delete(client);
    }
  }

  /** Very many of one host, who leave when all have come. */
  async #burst(target: Target): Promise<void> {
    const address = `127.0.3.${1 + this.#random.below(HOSTS)}`;
    const coming = Array.from({ length: BURST }, () => SoakClient.connect(target, address, this.#count));
    const clients = await Promise.all(coming);
    await delay(100);
    for (const client of clients) client.reset();
  }

  /** Honest clients that come, ask and leave, one after the other. */
  async #visit(target: Target, address: string): Promise<void> {
    while (!this.#isOver) {
      const client = await SoakClient.connect(target, address, this.#count);
      await this.#timed('to come in', target, client.enter());
      await this.#ask(target, client);
      client.read();
      client.end();
      await this.#timed('to be closed', target, client.closed);
      await delay(20);
    }
  }

  /** One that stays, and asks now and then. */
  async #stay(target: Target, address: string): Promise<void> {
    const client = await SoakClient.connect(target, address, this.#count);
    await this.#timed('to come in', target, client.enter());
    while (!this.#isOver) {
      await this.#ask(target, client);
      await delay(50);
    }
    client.read();
    client.end();
    await client.closed;
  }

  async #ask(target: Target, client: SoakClient): Promise<void> {
    const question = `honest ${this.answers}\n`;
    client.write(question);
    const answer = await this.#timed('for an answer', target, client.receive());
    if (answer !== question) throw new Error(`an honest client of ${target.name} asked ${question}and got ${answer}`);
    this.answers += 1;
  }

  async #timed<T>(what: string, target: Target, work: Promise<T>): Promise<T> {
    const began = performance.now();
    const late = delay(LIMIT, undefined, { ref: false }).then(() => {
      throw new Error(`an honest client of ${target.name} waited ${LIMIT} ms ${what}`);
    });
    const value = await Promise.race([work, late]);
    late.catch(() => {}); // In time.
    const waited = performance.now() - began;
    if (waited > this.slowest.milliseconds) this.slowest = { milliseconds: Math.round(waited), at: target.name, what };
    return value;
  }
}

const total = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

it(
  `hostile clients for ${SECONDS} s: nobody else notices, all are counted, and nothing is left (SOAK_SEED=${SEED})`,
  async () => {
    await using server = await SoakServer.start();
    const crowd = new Crowd(server.targets, new Random(SEED));
    const fresh = await server.report();
    await crowd.storm(WARM_UP);
    const before = await server.settled();
    const began = performance.now();
    try {
      await crowd.storm(SECONDS - WARM_UP);
    } catch (error) {
      throw new Error(`${error}\n${inspect(await server.report(), { depth: 5 })}`);
    }
    const seconds = (performance.now() - began) / 1_000;
    const after = await server.settled();

    for (const [name, { connections, acceptors, tls }] of Object.entries(after.listeners)) {
      expect(connections.accepted, name).toBe(crowd.connected.get(name));
      expect(total(connections.rejected) + total(connections.closed), name).toBe(connections.accepted);
      expect([connections.waiting, acceptors.busy, acceptors.waiting], name).toEqual([0, 0, 0]);
      if (name === 'secure' || name === 'both') expect(total(tls.failed), name).toBe(connections.rejected.handshake);
    }
    expect(after.answered).toBe(crowd.answers);
    expect(after.descriptors).toBe(fresh.descriptors);
    expect(after.resources).toBeLessThanOrEqual(before.resources);
    expect(after.heap - before.heap).toBeLessThan(8 * MEBIBYTE);
    expect(after.rss - before.rss).toBeLessThan(RESIDENT_MARGIN);
    if (process.env.REAGENT_SOAK_SECONDS !== undefined) console.log(figures(crowd, seconds, [fresh, before, after]));
  },
  (SECONDS + 30) * 1_000,
);

/** For whoever has asked for a long one. */
function figures(crowd: Crowd, seconds: number, reports: readonly Report[]): string {
  const mebibytes = (bytes: number) => Number((bytes / MEBIBYTE).toFixed(1));
  const listeners = Object.entries(reports.at(-1)?.listeners ?? {}).map(([name, { connections, tls }]) => [
    name,
    {
      accepted: connections.accepted,
      rejected: counted(connections.rejected),
      closed: counted(connections.closed),
      failed: counted(tls.failed),
    },
  ]);
  const all = {
    seed: SEED,
    seconds: Math.round(seconds),
    connections: crowd.total,
    answers: crowd.answers,
    slowest: crowd.slowest,
    busy: { server: Math.max(...reports.map(({ busy }) => busy)), clients: Math.round(eventLoop.max / 1e6) },
    heap: reports.map(({ heap }) => mebibytes(heap)),
    rss: reports.map(({ rss }) => mebibytes(rss)),
    descriptors: reports.map(({ descriptors }) => descriptors),
    listeners: Object.fromEntries(listeners),
  };
  return inspect(all, { depth: 5, breakLength: 160 });
}
