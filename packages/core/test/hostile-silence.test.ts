// Clients that say nothing, half of what they have to say, or a byte now and then: at each stage and each kind of listener.

import { type Connection, lines, OnConnection, OnData, OnTimeout, proxyHeader, Reagent } from '@reagent/core';
import { clientHello, drip } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { fronts, plainFront, type Stage, stages } from './support/fronts.js';
import { leave } from './support/leave.js';
import { type Outcome, Scene } from './support/scene.js';

/** Milliseconds that a client has for a step. */
const LIMIT = 800;

/** So many of each kind. */
const EACH = 8;

@Reagent({
  port: 0,
  codec: lines(),
  acceptors: 2,
  timeouts: { proxyHeader: LIMIT, handshake: LIMIT, idle: LIMIT },
})
class Echo {
  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.env.known = true;
    conn.send(line);
  }

  /** Who has said something may be silent for a while. */
  @OnTimeout()
  keep(conn: Connection<string>) {
    return conn.env.known === true ? 'keep' : undefined;
  }
}

/** What a client says next at a stage. */
async function nextWords(stage: Stage): Promise<Buffer> {
  if (stage === 'handshake') return clientHello();
  if (stage === 'connection') return Buffer.from('hello\n');
  const source = { address: '198.51.100.66', port: 50_000 };
  return proxyHeader({ version: 2, source, destination: source });
}

/** How so many clients end that take too long at a stage. */
function cutOff(stage: Stage, count: number): Outcome {
  if (stage === 'header') return { rejected: { proxyHeader: count } };
  if (stage === 'handshake') return { rejected: { handshake: count }, failed: { timeout: count } };
  return { closed: { timeout: count } };
}

describe.each(stages)('in $where', ({ front, stage }) => {
  it('clients that say nothing, or half a word, keep nobody from being served, and are cut off', async () => {
    await using scene = await Scene.open(front, Echo);
    const words = await nextWords(stage);
    const silent = await scene.crowd(EACH, stage);
    const halting = await scene.crowd(EACH, stage);
    await Promise.all(halting.map((client) => client.write(words.subarray(0, words.length / 2))));
    await scene.honestAreServed();
    const ends = await Promise.all([...silent, ...halting].map(leave));
    expect(new Set(ends)).toEqual(new Set([stage === 'connection' ? 'end' : 'reset']));
    await scene.isOver(cutOff(stage, 2 * EACH));
  });
});

describe.each(stages.filter(({ stage }) => stage !== 'connection'))('in $where', ({ front, stage }) => {
  it('clients that drip have as much time as others, and no more', async () => {
    await using scene = await Scene.open(front, Echo);
    const words = await nextWords(stage);
    const dripping = await scene.crowd(EACH, stage);
    const drips = dripping.map((client) => drip(client, words, { every: (2 * LIMIT) / words.length }));
    await scene.honestAreServed();
    expect(new Set(await Promise.all(dripping.map(leave)))).toEqual(new Set(['reset']));
    for (const sent of await Promise.all(drips)) expect(sent).toBeLessThan(words.length);
    await scene.isOver(cutOff(stage, EACH));
  });
});

describe.each(fronts)('a message that drips in at a $name listener', (front) => {
  it('keeps nobody waiting, and is answered when it is whole', async () => {
    await using scene = await Scene.open(front, Echo, { timeouts: { idle: false, handshake: false } });
    const dripping = await scene.crowd(EACH);
    const drips = dripping.map((client) => drip(client, 'hello\n', { every: 30 }));
    await scene.honestAreServed();
    await Promise.all(drips);
    for (const client of dripping) {
      await client.receive('hello\n');
      await client.end();
      expect(await leave(client)).toBe('end');
    }
    await scene.isOver({ closed: { client: EACH } });
  });

  it('is never kept beyond the longest that the codec takes', async () => {
    @Reagent({ port: 0, codec: lines({ maxLength: 16 }) })
    class Short extends Echo {}

    await using scene = await Scene.open(front, Short);
    const dripping = await scene.crowd(EACH);
    const drips = dripping.map((client) => drip(client, 'x'.repeat(1_000)));
    await scene.honestAreServedDuring(Promise.all(dripping.map(leave)));
    for (const sent of await Promise.all(drips)) expect(sent).toBeLessThan(1_000);
    await scene.isOver({ closed: { error: EACH } });
  });

  it('has a limit as a whole where the handler reads it', async () => {
    @Reagent({ port: 0, codec: lines() })
    class Asking {
      #clients = 0;

      @OnConnection()
      async talk(conn: Connection<string>) {
        this.#clients += 1;
        // The one that stays comes first.
        const timeout = this.#clients === 1 ? 60_000 : LIMIT;
        for (let line = await conn.recv({ timeout }); line !== null; line = await conn.recv({ timeout }))
          conn.send(line);
      }
    }

    await using scene = await Scene.open(front, Asking);
    const dripping = await scene.crowd(EACH);
    const drips = dripping.map((client) => drip(client, 'x'.repeat(1_000), { every: LIMIT / 100 }));
    await scene.honestAreServed();
    expect(new Set(await Promise.all(dripping.map(leave)))).toEqual(new Set(['end']));
    for (const sent of await Promise.all(drips)) expect(sent).toBeLessThan(1_000);
    await scene.isOver({ closed: { timeout: EACH } });
  });
});

it('who says nothing to a push-style @OnConnection holds its acceptor no longer than timeouts.handshake', async () => {
  @Reagent({ port: 0, codec: lines(), acceptors: 2, timeouts: { handshake: LIMIT } })
  class Login extends Echo {
    @OnConnection()
    async login(conn: Connection<string>) {
      const line = await conn.recv();
      if (line !== null) conn.send(line);
    }
  }

  await using scene = await Scene.open(plainFront, Login);
  const silent = await scene.crowd(EACH);
  await scene.honestAreServed();
  await Promise.all(silent.map(leave));
  await scene.isOver({ closed: { timeout: EACH } });
});
