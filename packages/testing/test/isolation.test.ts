// Test applications share nothing and leave nothing, so that tests and test files can run side by side.

import { channel, hasSubscribers } from 'node:diagnostics_channel';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type Connection, channelNames, Module, OnData, Reagent } from '@reagent/core';
import { createTestApp, type TestApp } from '@reagent/testing';
import { expect, it } from 'vitest';

class Counter {
  value = 0;
}

@Reagent({ port: 8080, env: { greeting: 'hello' } })
class Count {
  constructor(private readonly counter: Counter) {}

  @OnData()
  count(conn: Connection) {
    this.counter.value += 1;
    conn.send(`${this.counter.value}\n`);
  }
}

@Module({ providers: [Counter], reagents: [Count] })
class CountModule {}

const transports = ['tcp', 'unix', 'memory'] as const;

/** How many listen to each event of the process. */
function processListeners(): Record<string, number> {
  return Object.fromEntries(process.eventNames().map((name) => [String(name), process.listenerCount(name)]));
}

function socketDirectories(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('reagent-'));
}

async function visit(app: TestApp): Promise<void> {
  // All of them begin at once.
  const client = await app.connect(Count, { timeout: 20_000 });
  await client.send('?');
  // Each is the first to ask.
  await client.receive('1\n');
}

it.each(transports)('a hundred applications at once share nothing: %s', async (transport) => {
  const apps = await Promise.all(Array.from({ length: 100 }, () => createTestApp(CountModule, { transport }).start()));
  const addresses = apps.map((app) => `${app.listener(Count).address}:${app.listener(Count).port}`);
  if (transport !== 'memory') expect(new Set(addresses).size).toBe(100);
  await Promise.all(apps.map(visit));
  const [first, second] = apps;
  if (first !== undefined) first.listener(Count).env.greeting = 'bye';
  expect(second?.listener(Count).env.greeting).toBe('hello');
  expect(apps.every((app) => app.logs.every(({ fields }) => fields.listener === 'Count'))).toBe(true);
  expect(apps.map((app) => app.events.length)).toEqual(Array(100).fill(1));
  await Promise.all(apps.map((app) => app.stop()));
});

it.each(transports)('an application that has stopped leaves nothing in the process: %s', async (transport) => {
  const listeners = processListeners();
  const directories = new Set(socketDirectories());
  const app = await createTestApp(CountModule, { transport }).start();
  const own = socketDirectories().filter(
    (name) => !directories.has(name) && app.listener(Count).address.includes(name),
  );
  expect(own).toHaveLength(transport === 'unix' ? 1 : 0);
  await visit(app);
  await app.stop();
  expect(processListeners()).toEqual(listeners);
  expect(socketDirectories().filter((name) => own.includes(name))).toEqual([]);
  const names = [
    ...channelNames,
    'tracing:reagent:hook:start',
    'tracing:reagent:hook:end',
    'tracing:reagent:hook:asyncEnd',
  ];
  expect(names.filter((name) => channel(name).hasSubscribers || hasSubscribers(name))).toEqual([]);
});
