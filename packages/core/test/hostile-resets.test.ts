// Clients that reset (RST), in every state that a client or a connection can be in, at each kind of listener.

import { truncate, writeFile } from 'node:fs/promises';
import {
  type CloseReason,
  type Connection,
  type Incoming,
  lines,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  OnShutdown,
  Reagent,
} from '@reagent/core';
import { clientHello, type TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { type Front, fronts, pki, type Stage } from './support/fronts.js';
import { Gate } from './support/gate.js';
import { HOSTILE, type Outcome, Scene } from './support/scene.js';
import { TemporaryDirectory } from './support/temporary-directory.js';
import { until } from './support/until.js';

const MEBIBYTE = 1_048_576;

/** More than the kernel keeps for both ends of a connection. */
const MUCH = 8 * MEBIBYTE;

/** Clients that reset at once. */
const COUNT = 4;

const directory = await TemporaryDirectory.make();
const file = directory.at('large');
await writeFile(file, '');
await truncate(file, MUCH);

type Hook = 'accept' | 'connection' | 'close';

/** A reagent that does what lines tell it, and of which one hook waits at the gate, for clients that are not honest. */
function staged(waitsIn?: Hook) {
  const gate = new Gate();
  const opened = new Set<Connection<string>>();
  const closed: CloseReason[] = [];
  const isHostile = ({ remote }: Pick<Incoming, 'remote'>) => remote.address === HOSTILE;
  const pass = (hook: Hook, who: Pick<Incoming, 'remote'>) =>
    waitsIn === hook && isHostile(who) ? gate.passed() : undefined;

  /** What the connection does until the gate opens. */
  const states: Readonly<Record<string, (conn: Connection<string>) => unknown>> = {
    wait: async (conn) => {
      await gate.passed();
      conn.send('done');
    },
    recv: (conn) => conn.recv(4_711),
    pour: (conn) => conn.send('x'.repeat(MUCH)),
    drain: (conn) => {
      conn.send('x'.repeat(MUCH));
      return conn.drained();
    },
    file: (conn) => conn.sendFile(file),
    stream: (conn) => void conn.stream.on('error', () => {}).resume(),
    pause: (conn) => {
      conn.pause();
      setImmediate(() => conn.resume());
    },
    fin: (conn) => conn.shutdown('write'),
    bye: (conn) => conn.close(),
    starttls: async (conn) => {
      conn.send('go ahead');
      await conn.startTls(pki.server);
    },
  };

  @Reagent({ port: 0, codec: lines(), timeouts: { proxyHeader: 60_000, handshake: 60_000 } })
  class Staged {
    @OnAccept()
    admit(incoming: Incoming) {
      return pass('accept', incoming);
    }

    @OnConnection()
    open(conn: Connection<string>) {
      opened.add(conn);
      return pass('connection', conn);
    }

    @OnData()
    async order(conn: Connection<string>, line: string): Promise<unknown> {
      const state = states[line];
      conn.send(line);
      return state?.(conn);
    }

    @OnShutdown()
    leave(conn: Connection<string>) {
      if (isHostile(conn)) return gate.passed();
      conn.close();
      return undefined;
    }

    @OnClose()
    bye(conn: Connection<string>, reason: CloseReason) {
      opened.delete(conn);
      closed.push(reason);
      return pass('close', conn);
    }
  }

  return { Staged, gate, opened, closed };
}

interface State {
  readonly state: string;
  readonly stage: Stage;
  readonly waitsIn?: Hook;
  /** Has the client do what brings it there. */
  readonly reach?: (client: TestClient) => Promise<unknown>;
  readonly outcome: Outcome;
  readonly where?: (front: Front) => boolean;
}

const isSecure = (front: Front) => front.isSecure;
const isPlain = (front: Front) => !front.isSecure;
const isProxied = (front: Front) => front.isProxied;

const lost: Outcome = { closed: { reset: COUNT } };
const refused: Outcome = { rejected: { client: COUNT } };
const unshaken: Outcome = { rejected: { handshake: COUNT }, failed: { client: COUNT } };

/** Has the server do something, and waits for its word. */
function ordered(order: string) {
  return async (client: TestClient): Promise<void> => {
    await client.send(`${order}\n`);
    await client.receive(`${order}\n`);
  };
}

const states: readonly State[] = [
  { state: 'at once, at the header', stage: 'header', where: isProxied, outcome: refused },
  {
    state: 'in the middle of the header',
    stage: 'header',
    where: isProxied,
    reach: (client) => client.write('PROXY TCP4 '),
    outcome: refused,
  },
  { state: 'while @OnAccept runs', stage: 'handshake', waitsIn: 'accept', outcome: refused },
  { state: 'at once, at the handshake', stage: 'handshake', where: isSecure, outcome: unshaken },
  {
    state: 'in the middle of the handshake',
    stage: 'handshake',
    where: isSecure,
    reach: async (client) => client.write((await clientHello()).subarray(0, 99)),
    outcome: unshaken,
  },
  {
    state: 'when the server has answered in the handshake',
    stage: 'handshake',
    where: isSecure,
    reach: async (client) => {
      await client.write(await clientHello());
      await client.receive(5);
    },
    outcome: unshaken,
  },
  { state: 'at once', stage: 'connection', outcome: lost },
  { state: 'while @OnConnection runs', stage: 'connection', waitsIn: 'connection', outcome: lost },
  { state: 'while nothing goes on', stage: 'connection', reach: ordered('hello'), outcome: lost },
  { state: 'within a message', stage: 'connection', reach: (client) => client.send('hel'), outcome: lost },
  { state: 'while @OnData runs', stage: 'connection', reach: ordered('wait'), outcome: lost },
  {
    state: 'while @OnData runs, and more has come',
    stage: 'connection',
    reach: async (client) => {
      await ordered('wait')(client);
      await client.send('more\nand mo');
    },
    outcome: lost,
  },
  { state: 'while @OnData waits in recv()', stage: 'connection', reach: ordered('recv'), outcome: lost },
  { state: 'while it is sent much', stage: 'connection', reach: ordered('pour'), outcome: lost },
  { state: 'while @OnData waits in drained()', stage: 'connection', reach: ordered('drain'), outcome: lost },
  { state: 'while it is sent a file', stage: 'connection', reach: ordered('file'), outcome: lost },
  { state: 'while its stream is read', stage: 'connection', reach: ordered('stream'), outcome: lost },
  { state: 'while it is paused', stage: 'connection', reach: ordered('pause'), outcome: lost },
  {
    state: 'when it has ended its side, and waits for its answer',
    stage: 'connection',
    reach: async (client) => {
      await ordered('wait')(client);
      await client.end();
    },
    outcome: lost,
  },
  { state: 'when our side has ended', stage: 'connection', reach: ordered('fin'), outcome: lost },
  {
    state: 'when it has been closed, and has not closed itself',
    stage: 'connection',
    reach: async (client) => {
      await ordered('bye')(client);
      await client.closed();
    },
    outcome: { closed: { server: COUNT } },
  },
  {
    state: 'when startTls() waits for its handshake',
    stage: 'connection',
    where: isPlain,
    reach: async (client) => {
      await ordered('starttls')(client);
      await client.receive('go ahead\n');
    },
    outcome: { closed: { error: COUNT }, failed: { client: COUNT } },
  },
  {
    state: 'in the middle of the handshake of startTls()',
    stage: 'connection',
    where: isPlain,
    reach: async (client) => {
      await ordered('starttls')(client);
      await client.receive('go ahead\n');
      await client.write((await clientHello()).subarray(0, 99));
    },
    outcome: { closed: { error: COUNT }, failed: { client: COUNT } },
  },
  { state: 'and whose @OnClose takes its time', stage: 'connection', waitsIn: 'close', outcome: lost },
];

async function play(front: Front, { stage, waitsIn, reach, outcome }: State): Promise<void> {
  const { Staged, gate, opened, closed } = staged(waitsIn);
  await using scene = await Scene.open(front, Staged);
  const { accepted } = scene.listener.stats().connections;
  const clients = await scene.crowd(COUNT, stage);
  await Promise.all(clients.map((client) => reach?.(client)));
  await until(() => scene.listener.stats().connections.accepted === accepted + COUNT);
  if (waitsIn === 'accept' || waitsIn === 'connection') await until(() => gate.waiting === COUNT);
  await scene.honestAreServed();
  for (const client of clients) client.reset();
  await scene.honestAreServed();
  gate.open();
  await scene.isOver(outcome);
  expect(opened.size).toBe(0);
  const { closed: counts } = scene.listener.stats().connections;
  expect(closed).toHaveLength(Object.values(counts).reduce((sum, count) => sum + count, 0));
}

describe.each(fronts)('at a $name listener, clients that reset', (front) => {
  it.each(states.filter(({ where }) => where?.(front) ?? true))(
    '$state are counted once, and disturb nobody',
    (state) => play(front, state),
  );
});

describe.each(fronts)('at a $name listener that stops, clients that reset', (front) => {
  it('while @OnShutdown runs keep it no longer', async () => {
    const { Staged, gate, closed } = staged();
    await using scene = await Scene.open(front, Staged);
    const clients = await scene.crowd(COUNT);
    await Promise.all(clients.map(ordered('hello')));
    const stopped = scene.app.application.stop({ timeout: 60_000 });
    await until(() => gate.waiting === COUNT);
    expect(await scene.resident.closed()).toBe('end');
    scene.resident.destroy();
    for (const client of clients) client.reset();
    gate.open();
    await stopped;
    expect(
      closed
        .map(({ kind }) => kind)
        .filter((kind) => kind !== 'client')
        .sort(),
    ).toEqual([...Array(COUNT).fill('reset'), 'shutdown']);
  });

  it('while it waits for them keep it no longer', async () => {
    const { Staged, gate, closed } = staged();
    gate.open();
    await using scene = await Scene.open(front, Staged);
    const clients = await scene.crowd(COUNT);
    await Promise.all(clients.map(ordered('hello')));
    const stopped = scene.app.application.stop({ timeout: 60_000 });
    expect(await scene.resident.closed()).toBe('end');
    scene.resident.destroy();
    for (const client of clients) client.reset();
    await stopped;
    expect(closed.filter(({ kind }) => kind === 'reset')).toHaveLength(COUNT);
  });
});
