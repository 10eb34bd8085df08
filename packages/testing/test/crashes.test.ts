// What an application starts and nobody waits for: where it fails, the test fails that has it running.

import { once } from 'node:events';
import { type Connection, lines, Module, OnData, Reagent } from '@reagent/core';
import { createTestApp, LeftoverError, type TestAppOptions } from '@reagent/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { withoutRunner } from './support/process-listeners.js';
import { build, runScript } from './support/script.js';

class Ink {
  async refill(): Promise<void> {
    await null;
    throw new Error('no ink left');
  }
}

@Reagent({ port: 0, codec: lines() })
class Printer {
  constructor(private readonly ink: Ink) {}

  @OnData()
  print(conn: Connection<string>, line: string) {
    if (line === 'rejects') void this.ink.refill();
    if (line === 'rejects later') setTimeout(() => void this.ink.refill(), 1);
    if (line === 'rejects with text') void Promise.reject('no ink left');
    if (line === 'throws later') setTimeout(() => cough(), 1);
    if (line === 'says nothing') {
      void this.ink.refill();
      return;
    }
    conn.send('printed');
  }
}

function cough(): never {
  throw new Error('paper jam');
}

@Module({ providers: [Ink], reagents: [Printer] })
class PrinterModule {}

afterEach(() => {
  expect(process.listenerCount('uncaughtExceptionMonitor')).toBe(0);
});

/** Has the printer do something, and gives what the stop of its application throws. */
async function leftBy(line: string, options: TestAppOptions = {}): Promise<unknown> {
  let left: unknown;
  const heard = await withoutRunner(async () => {
    const app = await createTestApp(PrinterModule, options).start();
    const client = await app.connect(Printer);
    const crash = new Promise((resolve) => {
      process.once('unhandledRejection', resolve);
      process.once('uncaughtExceptionMonitor', resolve);
    });
    await client.send(`${line}\n`);
    await client.receive('printed\n');
    await crash;
    process.removeAllListeners('uncaughtExceptionMonitor');
    left = await app.stop().catch((error: unknown) => error);
  });
  expect(heard).toHaveLength(1);
  return left;
}

describe.each(['tcp', 'memory'] as const)('over %s', (transport) => {
  it.each(['rejects', 'rejects later'])('a promise of a hook that nobody awaits fails the test: %s', async (line) => {
    const error = await leftBy(line, { transport });
    expect(error).toBeInstanceOf(LeftoverError);
    expect(String(error)).toMatch(/nobody handles.* in what @OnData of Printer has started: await it/);
    expect(String(error)).toMatch(/Error: no ink left\n +at Ink\.refill .*crashes\.test\.ts/);
    expect(String(error)).toContain("{ allow: ['crashes'] }");
  });
});

it('what is no error is shown as it is', async () => {
  expect(String(await leftBy('rejects with text'))).toMatch(/@OnData of Printer[^\n]*\n +'no ink left'\n/);
});

it('an exception that nobody can catch fails the test, and is told once', async () => {
  const error = (await leftBy('throws later')) as LeftoverError;
  expect(error.leftovers).toHaveLength(1);
  expect(String(error)).toMatch(/nobody catches.* in what @OnData of Printer has started/);
  expect(String(error)).toMatch(/Error: paper jam\n +at cough .*crashes\.test\.ts/);
});

it('what is allowed fails no test', async () => {
  expect(await leftBy('rejects', { allow: ['crashes'] })).toBeUndefined();
  expect(await leftBy('rejects', { allow: ['crashes', 'timers'] })).toBeUndefined();
});

it('a client that waits in vain shows it', async () => {
  await withoutRunner(async () => {
    await using app = await createTestApp(PrinterModule, { allow: ['crashes'] }).start();
    const client = await app.connect(Printer);
    await client.send('says nothing\n');
    await expect(client.line({ timeout: 50 })).rejects.toThrow(
      /the server logged:\n +a rejection that nobody handles.*\n +Error: no ink left/,
    );
  });
});

it('a provider is told from a hook, and an application from another', async () => {
  class Eager {
    constructor() {
      void new Ink().refill();
    }
  }
  @Reagent({ port: 0 })
  class Desk {
    constructor(readonly eager: Eager) {}

    @OnData()
    wait() {}
  }
  @Module({ providers: [Eager], reagents: [Desk] })
  class DeskModule {}

  await withoutRunner(async () => {
    const other = await createTestApp(PrinterModule).start();
    const app = await createTestApp(DeskModule).start();
    await expect(app.stop()).rejects.toThrow(/in what a provider has started: .*\n +Error: no ink left/);
    await other.stop();
  });
});

it('what the test itself has started is no matter of the application', async () => {
  await withoutRunner(async () => {
    await using app = await createTestApp(PrinterModule).start();
    void new Ink().refill();
    const client = await app.connect(Printer);
    await client.send('hello\n');
    await client.receive('printed\n');
  });
});

it('a rejection that becomes an exception is told once', async () => {
  const heard = await withoutRunner(async () => {
    process.removeAllListeners('unhandledRejection');
    const app = await createTestApp(PrinterModule).start();
    const client = await app.connect(Printer);
    const crash = once(process, 'uncaughtException');
    await client.send('rejects\n');
    await crash;
    const error = (await app.stop().catch((reason: unknown) => reason)) as LeftoverError;
    expect(error.leftovers).toHaveLength(1);
  });
  expect(heard).toHaveLength(1);
});

it('where nobody else listens, the process ends as it would without the test kit', { timeout: 120_000 }, async () => {
  build();
  const { status, stderr } = runScript(`
    import { OnData, Reagent } from '@reagent/core';
    import { createTestApp } from '@reagent/testing';

    class Idle {
      wait() {}
    }
    OnData()(Idle.prototype, 'wait', Object.getOwnPropertyDescriptor(Idle.prototype, 'wait'));
    Reagent({ port: 0 })(Idle);

    await createTestApp(Idle).start();
    Promise.reject(new Error('nobody is there'));
  `);
  expect(stderr).toContain('Error: nobody is there');
  expect(status).toBe(1);
});
