// Very many clients at once, from one address or from many: the limits hold exactly, and honest clients come through.

import { type Connection, lines, OnData, proxyHeader, Reagent } from '@reagent/core';
import { type Flood, type FloodOptions, flood } from '@reagent/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Front, fronts, plainFront } from './support/fronts.js';
import { memoryInUse, memoryIsBackAt } from './support/memory.js';
import { HOSTILE, type Outcome, Scene } from './support/scene.js';
import { until } from './support/until.js';

/** A crowd as large as one can be here. */
const MANY = 5_000;

const PATIENCE = { timeout: 30_000 };

/** So many may wait in the kernel that the crowd comes in one go. */
@Reagent({ port: 0, codec: lines(), backlog: 4_096 })
class Echo {
  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }
}

/** Clients at these addresses, in turn, who send nothing but a PROXY header where there has to be one. */
function from(front: Front, addresses: readonly string[]): FloodOptions[] {
  return addresses.map((address) => ({
    ...PATIENCE,
    localAddress: address,
    ...(front.isProxied && { send: headerOf(address) }),
  }));
}

function headerOf(address: string): Buffer {
  return proxyHeader({
    version: 2,
    source: { address, port: 50_000 },
    destination: { address: '127.0.0.1', port: 80 },
  });
}

/** The addresses of so many hosts. */
function hosts(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `127.0.2.${1 + index}`);
}

class Crowd implements AsyncDisposable {
  readonly #floods: readonly Flood[];

  private constructor(floods: readonly Flood[]) {
    this.#floods = floods;
  }

  /** So many of each address come, while honest clients are served; and then so many are left as are to be let in. */
  static async come(scene: Scene, each: number, addresses: readonly string[], letIn: number): Promise<Crowd> {
    const floods = from(scene.front, addresses).map((options) => flood(each, scene.listener, options));
    const crowd = new Crowd(await scene.honestAreServedDuring(Promise.all(floods)));
    const settled = crowd.#floods.map((one) =>
      one.waitFor(({ connecting, open, reset }) => connecting === 0 && open === letIn && reset === each - letIn),
    );
    await scene.honestAreServedDuring(Promise.all(settled));
    return crowd;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#floods.map((one) => one.close()));
  }
}

/** What becomes of clients that are let in, say nothing and leave. */
function silent(front: Front, count: number): Outcome {
  if (front.isSecure) return { rejected: { handshake: count }, failed: { client: count } };
  return { closed: { client: count } };
}

/** So many of one address. */
async function crowdOfOne(front: Front, count: number): Promise<void> {
  await using scene = await Scene.open(front, Echo, { maxConnectionsPerIp: 10, timeouts: { handshake: 60_000 } });
  {
    await using _ = await Crowd.come(scene, count, [HOSTILE], 10);
    await scene.honestAreServed();
  }
  await scene.othersAreGone();
  // Those who have left do not count any more.
  {
    await using _ = await Crowd.come(scene, 20, [HOSTILE], 10);
  }
  const { rejected, ...outcome } = silent(front, 20);
  await scene.isOver({ ...outcome, rejected: { ...rejected, maxConnectionsPerIp: count } });
}

/** A crowd of many addresses at a listener that has room for some of them, and then for none. */
async function overflow(front: Front): Promise<void> {
  const limits = { maxConnections: 101, maxWaiting: 50, timeouts: { handshake: 60_000 } };
  await using scene = await Scene.open(front, Echo, limits);
  await scene.othersAreGone();
  const crowd = await Promise.all(from(front, hosts(10)).map((options) => flood(100, scene.listener, options)));
  const count = (state: 'open' | 'reset') => crowd.reduce((sum, { counts }) => sum + counts[state], 0);
  await until(() => count('reset') === 850 && count('open') === 150);
  expect(scene.listener.stats().connections).toMatchObject({ active: 101, waiting: 50 });
  await scene.honestAreServed(0);
  await Promise.all(crowd.map((one) => one.close()));
  await scene.othersAreGone();
  const { rejected, closed } = scene.listener.stats().connections;
  expect(rejected.maxConnections).toBe(850);
  // Those who waited may have been let in, or been found to be gone. Three honest ones have been there at the beginning.
  expect(rejected.client + rejected.handshake + rejected.proxyHeader + closed.client - 3).toBe(150);
  await scene.honestAreServed();
}

// What Node.js itself keeps from the first crowd on is no leak.
beforeAll(() => crowdOfOne(plainFront, MANY));

describe.each(fronts)('at a $name listener', (front) => {
  it('of a crowd of one address as many come in as may, and the others are reset', async () => {
    const before = memoryInUse();
    await crowdOfOne(front, front === plainFront ? MANY : 500);
    await memoryIsBackAt(before);
  });

  it('of clients that come faster than acceptRate allows as many come in as may, for each address', async () => {
    const acceptRate = { perIp: 20, interval: 600_000, burst: 30 };
    await using scene = await Scene.open(front, Echo, { acceptRate, timeouts: { handshake: 60_000 } });
    {
      await using _ = await Crowd.come(scene, 100, hosts(10), 30);
    }
    await scene.othersAreGone();
    // That those have left changes nothing.
    {
      await using _ = await Crowd.come(scene, 10, hosts(10), 0);
    }
    const { rejected, ...outcome } = silent(front, 300);
    await scene.isOver({ ...outcome, rejected: { ...rejected, acceptRate: 800 } });
  });

  it('of clients of many addresses maxConnections are inside and maxWaiting wait, and the others are reset', async () => {
    const before = memoryInUse();
    await overflow(front);
    await memoryIsBackAt(before);
  });
});

it('a crowd that fails is told of a few times, and then counted', async () => {
  await using scene = await Scene.open(plainFront, Echo);
  const count = 100;
  {
    await using crowd = await flood(count, scene.listener, { ...PATIENCE, send: 'x'.repeat(100_000) });
    await crowd.waitFor(({ ended, reset }) => ended + reset === count);
  }
  await scene.othersAreGone();
  const lines = scene.app.logs.filter(({ message }) => message.startsWith('connection failed'));
  expect(lines.length).toBeLessThan(20);
  await scene.isOver({ closed: { error: count } });
});
