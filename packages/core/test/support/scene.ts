import type { CloseKind, Constructor, DescriptorInput, Listener } from '@reagent/core';
import { type ConnectOptions, createTestApp, type TestApp, type TestClient } from '@reagent/testing';
import { expect } from 'vitest';
import { counted } from './counted.js';
import { approach, type Front, type Stage } from './fronts.js';
import { Leftovers } from './leftovers.js';
import { until } from './until.js';

/** Long enough for a machine that is busy with hundreds of other clients. */
const PATIENCE_MS = 20_000;

/** Each honest client comes from another host than the one before. */
const HONEST_HOSTS = 250;

/** Whence clients come that are not honest, as the reagent sees them. */
export const HOSTILE = '127.0.0.66';

/** What has become of the clients that are not honest; what is left out is 0. */
export interface Outcome {
  readonly rejected?: Readonly<Record<string, number>>;
  readonly closed?: Readonly<Partial<Record<CloseKind, number>>>;
  /** Handshakes that failed. */
  readonly failed?: Readonly<Record<string, number>>;
  /** What hooks threw; what clients can bring about is no error in the log. */
  readonly handlerErrors?: number;
  /** Lines at level error. */
  readonly errors?: number;
}

/**
 * A listener at which some clients misbehave while others do all as they should: one that stays from the beginning to the end, and others
 * that come and go. The reagent echoes lines.
 */
export class Scene implements AsyncDisposable {
  readonly app: TestApp;
  readonly listener: Listener;
  readonly front: Front;
  readonly #reagent: Constructor;
  readonly #before: Leftovers;
  #resident: TestClient | undefined;
  /** Honest clients so far, the one that stays included. */
  #honest = 0;

  private constructor(app: TestApp, front: Front, reagent: Constructor, before: Leftovers) {
    this.app = app;
    this.front = front;
    this.listener = app.listener(reagent);
    this.#reagent = reagent;
    this.#before = before;
  }

  static async open(front: Front, reagent: Constructor, descriptor: DescriptorInput = {}): Promise<Scene> {
    const before = new Leftovers();
    const descriptors = { [reagent.name]: { ...front.descriptor, ...descriptor } };
    const app = await createTestApp(reagent, { descriptors, timeout: PATIENCE_MS }).start();
    const scene = new Scene(app, front, reagent, before);
    scene.#resident = await scene.#honestClient();
    await scene.honestAreServed();
    return scene;
  }

  /** The honest client that stays. */
  get resident(): TestClient {
    if (this.#resident === undefined) throw new Error('the scene is not open yet');
    return this.#resident;
  }

  /** A client that has done as it should up to a stage. From there on it is the test's. */
  come(stage: Stage = 'connection', options: ConnectOptions = {}): Promise<TestClient> {
    return this.app.connect(this.#reagent, { ...approach(this.front, stage, HOSTILE), ...options });
  }

  /** So many of them at once. */
  crowd(count: number, stage: Stage = 'connection'): Promise<TestClient[]> {
    return Promise.all(Array.from({ length: count }, () => this.come(stage)));
  }

  /** The one that stays gets its answer, and so do some who come, ask and leave. */
  async honestAreServed(visits = 3): Promise<void> {
    const visiting = Array.from({ length: visits }, () => this.#visit());
    await Promise.all([...visiting, this.#resident && exchange(this.#resident, 'still here')]);
  }

  /** Honest clients come, are served and leave, one after the other, until something else is done. */
  async honestAreServedDuring<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    // It is awaited below; a visitor may fail before.
    done.catch(() => {});
    while (!isDone) await this.#visit();
    return done;
  }

  /** Waits until nobody is left but the honest client that stays. */
  async othersAreGone(): Promise<void> {
    await this.listener.waitForConnections((open) => open === 1, { timeout: PATIENCE_MS });
    await until(() => {
      const { connections, acceptors } = this.listener.stats();
      return connections.waiting + acceptors.busy + acceptors.waiting === 0;
    });
  }

  /**
   * Waits until nobody is left but the honest client that stays, and then until nothing at all is: what has become of the others is what
   * the test expects, each of them is counted once, and the process holds what it held before.
   */
  async isOver(outcome: Outcome): Promise<void> {
    await this.othersAreGone();
    await this.honestAreServed();
    await this.othersAreGone();
    this.#expectCounts(outcome, this.#honest - 1);

    await this.#resident?.end();
    await this.listener.waitForConnections((open) => open === 0, { timeout: PATIENCE_MS });
    const { connections, acceptors } = this.listener.stats();
    expect({ ...acceptors, active: connections.active, queue: connections.waiting }).toMatchObject({
      busy: 0,
      waiting: 0,
      active: 0,
      queue: 0,
    });
    expect(this.listener.connections.size).toBe(0);
    expect(total(connections.rejected) + total(connections.closed)).toBe(connections.accepted);
    // It keeps all that it has ever received.
    this.#resident = undefined;
    await this.app.expectReleased({ timeout: PATIENCE_MS });
    await this.app.stop();
    await this.#before.none();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#resident?.destroy();
    // What is left over now is told by what has failed before.
    await this.app.stop().catch(() => {});
  }

  #expectCounts(
    { rejected = {}, closed = {}, failed = {}, handlerErrors = 0, errors = 0 }: Outcome,
    visits: number,
  ): void {
    const { connections, tls, ...stats } = this.listener.stats();
    expect({
      rejected: counted(connections.rejected),
      closed: counted(connections.closed),
      failed: counted(tls.failed),
      handlerErrors: stats.handlerErrors,
    }).toEqual({ rejected, closed: { ...closed, client: visits + (closed.client ?? 0) }, failed, handlerErrors });
    expect(this.app.logs.filter(({ level }) => level === 'error' || level === 'fatal')).toHaveLength(errors);
  }

  #honestClient(): Promise<TestClient> {
    this.#honest += 1;
    const address = `127.0.1.${1 + (this.#honest % HONEST_HOSTS)}`;
    return this.app.connect(this.#reagent, approach(this.front, 'connection', address));
  }

  async #visit(): Promise<void> {
    const client = await this.#honestClient();
    try {
      await exchange(client, 'hello');
      await client.end();
      expect(await client.closed()).toBe('end');
    } finally {
      client.destroy();
    }
  }
}

async function exchange(client: TestClient, line: string): Promise<void> {
  await client.send(`${line}\n`);
  await client.receive(`${line}\n`);
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
