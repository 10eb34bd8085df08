// What signals do to an application that is still starting. Each runs in a process of its own.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bootstrap, Module, silentLogger } from '@reagent/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Program } from './support/program.js';
import { build } from './support/server-process.js';

const script = fileURLToPath(new URL('./support/starting-process.mjs', import.meta.url));
/** To be the first process of a container, as far as signals go. */
const asFirst = ['--pid', '--fork', '--mount-proc', '--kill-child', process.execPath];
const canBeFirst = spawnSync('unshare', [...asFirst, '-e', '0']).status === 0;

beforeAll(build);

/** Resolves while its provider is being made. */
async function starting(options: { delay?: number; workers?: number }): Promise<Program> {
  const program = Program.start(process.execPath, [script, JSON.stringify(options)]);
  await program.printed(/making/);
  return program;
}

describe.each(['SIGTERM', 'SIGINT'] as const)('%s during the start', (signal) => {
  it('ends the process with code 0, without listening, when what was made has been disposed', async () => {
    await using program = await starting({ delay: 300 });
    program.signal(signal);
    expect(await program.exit()).toBe(0);
    expect(program.output).toBe('making\ndisposed\n');
    expect(program.errors).toMatch(/stopping; once more to stop at once/);
    expect(program.errors).not.toMatch(/listening|ERROR|StateError/);
  });

  it('given twice, ends it at once', async () => {
    await using program = await starting({});
    program.signal(signal);
    await program.complained(/once more to stop at once/);
    program.signal(signal);
    expect(await program.exit()).toBe(signal === 'SIGTERM' ? 143 : 130);
  });

  it('ends it with workers, of which none is left', async () => {
    await using program = await starting({ delay: 100, workers: 2 });
    program.signal(signal);
    // Its output ends when that of the last process does.
    expect(await program.exit()).toBe(0);
    expect(program.output).toBe('making\ndisposed\n');
    expect(program.errors).not.toMatch(/ERROR|StateError/);
  });

  it('ends it while its workers start', async () => {
    await using program = await starting({ delay: 0, workers: 2 });
    // The first thing that a worker tells.
    await program.printed(/in worker/);
    program.signal(signal);
    expect(await program.exit()).toBe(0);
    expect(program.output).toMatch(/disposed\n$/);
    expect(program.output).not.toMatch(/up/);
  });
});

describe('SIGTERM during the start', () => {
  it('ends the process before long where a provider is never made', async () => {
    await using program = await starting({});
    program.signal('SIGTERM');
    expect(await program.exit()).toBe(143);
    expect(program.errors).toMatch(/WARN.*the start has not ended in time/);
  });

  it.skipIf(!canBeFirst)(
    `reaches the first process of a container${canBeFirst ? '' : ' (skipped: unshare is not there, or not allowed)'}`,
    async () => {
      await using program = Program.start('unshare', [...asFirst, script, JSON.stringify({ delay: 300 })]);
      await program.printed(/making/);
      program.signalChild('SIGTERM');
      expect(await program.exit()).toBe(0);
      expect(program.output).toBe('making\ndisposed\n');
    },
  );
});

describe('SIGHUP during the start', () => {
  it('reloads as soon as all is up', async () => {
    await using program = await starting({ delay: 100, workers: 1 });
    program.signal('SIGHUP');
    await program.complained(/reloading as soon as all is up[\s\S]*all workers replaced/);
    program.signal('SIGTERM');
    expect(await program.exit()).toBe(0);
    expect(program.errors).not.toMatch(/ERROR|WARN/);
  });
});

it('a start that fails leaves no signal to an application that is none', async () => {
  const before = process.listenerCount('SIGTERM');
  const fail = async (): Promise<never> => {
    expect(process.listenerCount('SIGTERM')).toBe(before + 1);
    throw new Error('told to fail');
  };
  @Module({ providers: [{ token: 'fault', useFactory: fail }] })
  class Faulty {}
  await expect(bootstrap(Faulty, { logger: silentLogger })).rejects.toThrow('told to fail');
  expect(process.listenerCount('SIGTERM')).toBe(before);
});
