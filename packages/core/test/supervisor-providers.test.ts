// Providers that the supervisor of an application with workers has.

import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { Program } from './support/program.js';
import { build } from './support/server-process.js';

const script = fileURLToPath(new URL('./support/supervisor-process.mjs', import.meta.url));
beforeAll(build);

/** What each process of the application tells, in order, and how its first one has ended. */
async function run(behaviour: string): Promise<{ supervisor: string[]; worker: string[]; code: unknown; log: string }> {
  await using program = await Program.run(process.execPath, [script, behaviour]);
  const lines = program.output.trimEnd().split('\n');
  const of = (role: string): string[] =>
    lines.filter((line) => line.startsWith(`${role} `)).map((line) => line.slice(role.length + 1));
  return { supervisor: of('supervisor'), worker: of('worker'), code: await program.exit(), log: program.errors };
}

describe('providers of an application with workers', () => {
  it('are made in the processes that they say: the workers, their supervisor, or all', async () => {
    const { supervisor, worker, code, log } = await run('');
    expect(supervisor).toEqual([
      'made Schedule with 0 listeners by the supervisor',
      expect.stringMatching(/^has Store: .*Store is made in the workers only; list it with process: 'all'/),
      'has Identity: yes',
      'has Schedule: yes',
      // When the workers have gone.
      'disposing Schedule with 0 listeners',
      'disposed Schedule',
      'closed',
      'ends with 0',
    ]);
    expect(worker).toEqual([
      'made Store',
      'has Store: yes',
      'has Identity: yes',
      expect.stringMatching(/^has Schedule: .*Schedule is made in the supervisor only; list it with process: 'all'/),
      'disposed Store',
      'ends with 0',
    ]);
    expect(log).not.toMatch(/WARN|ERROR/);
    expect(code).toBe(0);
  });

  it('that the supervisor cannot make keep workers from being started', async () => {
    const { supervisor, worker, code } = await run('fail');
    expect(supervisor.at(-2)).toMatch(/^failed: ProviderError: Cannot make Schedule of AppModule: told to fail/);
    expect(worker).toEqual([]);
    expect(code).toBe(1);
  });

  it.each(['stop', 'stop later'])('may stop the application while it starts (%s)', async (behaviour) => {
    const { supervisor, code } = await run(behaviour);
    expect(supervisor).toContain('failed: StateError: the application was stopped while it started');
    expect(supervisor.filter((line) => line === 'disposed Schedule')).toHaveLength(1);
    expect(code).toBe(1);
  });

  it('are disposed when the application gives up its workers', async () => {
    const { supervisor, log } = await run('give up');
    expect(log).toMatch(/workers die too often/);
    expect(supervisor.slice(-4)).toEqual([
      'disposing Schedule with 0 listeners',
      'disposed Schedule',
      'closed',
      'ends with 1',
    ]);
  });

  it('that fail when they are disposed fail the stop', async () => {
    const { supervisor, code } = await run('fail at the end');
    expect(supervisor.at(-2)).toMatch(/^failed: AggregateError: dispose\(\) failed: Error: told to fail at the end/);
    expect(code).toBe(1);
  });
});
