// A server that is full: clients that wait for room or for an acceptor, and those of them who give up.

import { setImmediate as turn } from 'node:timers/promises';
import { type Connection, type Incoming, lines, OnAccept, OnData, Reagent } from '@reagent/core';
import type { TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { type Front, fronts } from './support/fronts.js';
import { Gate } from './support/gate.js';
import { HOSTILE, Scene } from './support/scene.js';
import { until } from './support/until.js';

/** Places that are taken by clients who do not let go of them, besides that of the honest one that stays. */
const OCCUPIED = 3;

const QUEUE = 20;

@Reagent({ port: 0, codec: lines(), maxConnections: OCCUPIED + 1, maxWaiting: QUEUE })
class Echo {
  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }
}

const waiting = ({ listener }: Scene): number => listener.stats().connections.waiting;

/** A scene in which no place is free. The clients that take them are to leave at some time. */
async function full(front: Front): Promise<{ scene: Scene; occupants: TestClient[] }> {
  const scene = await Scene.open(front, Echo);
  await scene.othersAreGone();
  const occupants = await scene.crowd(OCCUPIED);
  await scene.listener.waitForConnections((open) => open === OCCUPIED + 1);
  return { scene, occupants };
}

async function leave(clients: readonly TestClient[]): Promise<void> {
  for (const client of clients) {
    await client.end();
    await client.closed();
    client.destroy();
  }
}

/**
 * What was sent has been read, since both ends are in this event loop. Of bytes and a reset that come at once Node.js makes bytes and an end,
 * and who has ended may still wait for an answer.
 */
async function hasRead(): Promise<void> {
  for (let turns = 0; turns < 5; turns += 1) await turn();
}

async function giveUp(front: Front, said: string): Promise<void> {
  const { scene, occupants } = await full(front);
  await using _ = scene;
  for (let round = 0; round < 3; round += 1) {
    const queue = await scene.crowd(QUEUE, 'header');
    await Promise.all(queue.map((client) => client.write(said)));
    await until(() => waiting(scene) === QUEUE);
    await hasRead();
    for (const client of queue) client.reset();
    await until(() => waiting(scene) === 0);
  }
  const honest = scene.honestAreServed(QUEUE);
  await until(() => waiting(scene) === QUEUE);
  await leave(occupants);
  await honest;
  await scene.isOver({ rejected: { client: 3 * QUEUE }, closed: { client: OCCUPIED } });
}

async function giveUpWaitingForAcceptors(front: Front): Promise<void> {
  const gate = new Gate();

  @Reagent({ port: 0, codec: lines(), acceptors: 2 })
  class Slow extends Echo {
    @OnAccept()
    admit({ remote }: Incoming) {
      return remote.address === HOSTILE ? gate.passed() : undefined;
    }
  }

  await using scene = await Scene.open(front, Slow);
  const deciding = await scene.crowd(2, 'handshake');
  await until(() => gate.waiting === 2);
  const queue = await scene.crowd(QUEUE, 'handshake');
  await until(() => scene.listener.stats().acceptors.waiting === QUEUE);
  await hasRead();
  for (const client of queue) client.reset();
  await until(() => scene.listener.stats().acceptors.waiting === 0);
  const honest = scene.honestAreServed();
  await until(() => scene.listener.stats().acceptors.waiting === 3);
  gate.open();
  await honest;
  for (const client of deciding) client.destroy();
  await scene.othersAreGone();
  expect(scene.listener.stats().connections.rejected.client).toBe(QUEUE);
}

describe.each(fronts)('at a $name listener that is full', (front) => {
  it('so many clients may wait, the others are reset, and those who are inside do not notice', async () => {
    const { scene, occupants } = await full(front);
    await using _ = scene;
    const queue = await scene.crowd(QUEUE, 'header');
    await until(() => waiting(scene) === QUEUE);
    const beyond = await scene.crowd(10, 'header');
    for (const client of beyond) expect(await client.closed()).toBe('reset');
    await scene.honestAreServed(0);
    for (const client of queue) client.reset();
    await until(() => waiting(scene) === 0);
    await leave(occupants);
    await scene.isOver({ rejected: { maxConnections: 10, client: QUEUE }, closed: { client: OCCUPIED } });
  });

  it('clients that give up waiting make room for others who wait', () => giveUp(front, ''));

  it('clients that have said something and give up waiting make room for others who wait', () =>
    giveUp(front, 'hello\n'));

  it('clients that come and give up, one after another, keep nobody from being served who waits', async () => {
    const { scene, occupants } = await full(front);
    await using _ = scene;
    const honest = scene.honestAreServed(5);
    await until(() => waiting(scene) === 5);
    for (let count = 0; count < 100; count += 1) (await scene.come('header')).reset();
    await leave(occupants);
    await honest;
    await scene.isOver({ rejected: { client: 100 }, closed: { client: OCCUPIED } });
  });

  it('clients that have ended their side while they waited are served in their turn', async () => {
    const { scene, occupants } = await full(front);
    await using _ = scene;
    const early: Promise<void>[] = [];
    for (let count = 0; count < QUEUE; count += 1) {
      early.push(
        // With TLS the handshake is a part of what they wait for.
        scene.come('connection').then(async (client) => {
          await client.send('hello\n');
          await client.end();
          await client.receive('hello\n');
          expect(await client.closed()).toBe('end');
          client.destroy();
        }),
      );
    }
    await until(() => waiting(scene) === QUEUE);
    await leave(occupants);
    await Promise.all(early);
    await scene.isOver({ closed: { client: OCCUPIED + QUEUE } });
  });
});

describe.each(fronts)('at a $name listener whose acceptors are busy', (front) => {
  it('clients that give up waiting for one are gone, and the others are served', () =>
    giveUpWaitingForAcceptors(front));
});
