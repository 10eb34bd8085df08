import { once } from 'node:events';
import { connect } from 'node:net';
import { type Connection, lines, OnAccept, OnClose, OnConnection, OnData, Reagent } from '@reagent/core';
import { describe, expect, it, vi } from 'vitest';
import { createTestApp } from './create-test-app.js';
import { LeftoverError } from './leftovers.js';

class OutOfPaper extends Error {}

@Reagent({ port: 0, codec: lines() })
class Printer {
  @OnData()
  print(conn: Connection<string>, line: string) {
    if (line === 'jam') throw new OutOfPaper('out of paper');
    if (line === 'later') setTimeout(() => {}, 60_000);
    if (line === 'again and again') setInterval(() => {}, 60_000);
    if (line === 'in the background') setInterval(() => {}, 60_000).unref();
    if (line === 'for ever') return new Promise<void>(() => {});
    conn.send('printed');
    return undefined;
  }
}

/** Starts the application, sends it a line, and gives what its stop throws. */
async function leftBy(line: string, options: Parameters<typeof createTestApp>[1] = {}): Promise<unknown> {
  const app = await createTestApp(Printer, options).start();
  const client = await app.connect(Printer);
  await client.send(`${line}\n`);
  if (line === 'jam') await client.closed();
  else if (line !== 'for ever') await client.line();
  else await vi.waitUntil(() => app.listener(Printer).stats().messages.in === 1);
  return app.stop({ timeout: line === 'for ever' ? 20 : 2_000 }).catch((error: unknown) => error);
}

describe.each(['tcp', 'memory'] as const)('a test application over %s', (transport) => {
  it('stops in peace if nothing is left', async () => {
    expect(await leftBy('hello', { transport })).toBeUndefined();
    expect(await leftBy('in the background', { transport })).toBeUndefined();
  });

  it('fails the test for an error of a hook, and shows its stack', async () => {
    const error = await leftBy('jam', { transport });
    expect(error).toBeInstanceOf(LeftoverError);
    expect(String(error)).toMatch(
      /an error in Printer: connection failed\n +Error: out of paper\n +at Printer\.print .*leftovers\.test\.ts/,
    );
    expect(String(error)).toContain("{ allow: ['errors'] }");
  });

  it('fails the test for a timer that still runs, and shows where it was started', async () => {
    const error = await leftBy('later', { transport });
    expect(String(error)).toMatch(
      /a timer \(setTimeout\) that still runs, started\n +at Printer\.print .*leftovers\.test\.ts/,
    );
    expect(String(await leftBy('again and again', { transport }))).toMatch(/setInterval/);
  });

  it('fails the test for a hook that does not end', async () => {
    const error = await leftBy('for ever', { transport });
    expect(String(error)).toMatch(
      /connected at leftBy .*leftovers\.test\.ts.*: it did not end by itself; its @OnData has not ended\n +it had received 9 bytes/,
    );
    expect(String(error)).toMatch(/- @OnData of Printer still runs, although connection \d+ is closed/);
  });

  it('leaves alone what it was told to allow', async () => {
    expect(await leftBy('jam', { transport, allow: ['errors'] })).toBeUndefined();
    expect(await leftBy('later', { transport, allow: ['timers'] })).toBeUndefined();
    expect(await leftBy('for ever', { transport, allow: ['connections'] })).toBeUndefined();
  });
});

it('tells of a connection that another client has left open', async () => {
  @Reagent({ port: 0 })
  class Patient {
    @OnConnection()
    async handle(conn: Connection) {
      await conn.recv();
    }
  }
  const app = await createTestApp(Patient).start();
  const socket = connect(app.listener(Patient).port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  await app.listener(Patient).waitForConnections((open) => open === 1);
  await expect(app.stop({ timeout: 20 })).rejects.toThrow(`from 127.0.0.1:${socket.localPort}`);
});

it.each([
  ['the constructor of a provider', true],
  ['@OnAccept', false],
])('sees what %s starts and throws', async (_, inProvider) => {
  class Clock {
    readonly timer = inProvider ? setInterval(() => {}, 60_000) : undefined;
  }
  @Reagent({ port: 0 })
  class Door {
    constructor(readonly clock: Clock) {}

    @OnAccept()
    accept() {
      if (!inProvider) throw new Error('nobody may enter');
    }

    @OnConnection()
    hello() {}

    @OnClose()
    bye() {}
  }
  const app = await createTestApp(Door).start();
  const client = await app.connect(Door);
  await client.closed();
  await expect(app.stop()).rejects.toThrow(inProvider ? /setInterval[\s\S]*new Clock/ : /nobody may enter/);
});

describe('expectError', () => {
  it('gives the error, which then does not fail the test', async () => {
    await using app = await createTestApp(Printer).start();
    const client = await app.connect(Printer);
    const expected = app.expectError(OutOfPaper);
    await client.send('jam\n');
    expect(await expected).toMatchObject({ message: 'out of paper' });
  });

  it('takes one that came before, by its message or a pattern', async () => {
    await using app = await createTestApp(Printer).start();
    for (const expected of ['out of paper', /paper/]) {
      const client = await app.connect(Printer);
      await client.send('jam\n');
      await client.closed();
      await app.expectError(expected);
    }
  });

  it('tells what there was instead', async () => {
    await using app = await createTestApp(Printer, { allow: ['errors'] }).start();
    await expect(app.expectError('out of ink', { timeout: 5 })).rejects.toThrow(
      /"out of ink" within 5 ms; there was none/,
    );
    const client = await app.connect(Printer);
    await client.send('jam\n');
    await client.closed();
    await expect(app.expectError('out of ink', { timeout: 5 })).rejects.toThrow(/there was "out of paper"/);
  });
});

it('keeps what its channels have told, and nothing of another application', async () => {
  await using app = await createTestApp(Printer).start();
  await using other = await createTestApp(Printer).start();
  await (await other.connect(Printer)).end();
  const client = await app.connect(Printer);
  await client.send('hello\n');
  await client.line();
  await client.end();
  await client.closed();
  await app.listener(Printer).waitForConnections((open) => open === 0);
  expect(app.events.map(({ name }) => name)).toEqual(['reagent:connection:open', 'reagent:connection:close']);
  expect(app.events[1]?.message).toMatchObject({ reason: { kind: 'client' } });
});
