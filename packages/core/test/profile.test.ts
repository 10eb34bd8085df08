// CPU profiles: at run time with `startProfile()`, and with the descriptor's `profile`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { Profiler } from 'node:inspector';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Connection, ListenError, Module, OnData, ProfileError, Reagent, startProfile } from '@reagent/core';
import { createTestApp, TestClient } from '@reagent/testing';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { build, ServerProcess } from './support/server-process.js';
import { TemporaryDirectory } from './support/temporary-directory.js';

let directory: TemporaryDirectory;

beforeEach(async () => {
  directory = await TemporaryDirectory.make();
});

afterEach(() => directory[Symbol.asyncDispose]());

/** Milliseconds of CPU time that are spent on something that a profile has to show. */
const BURNT = 60;

function burn(square: (n: number) => number): number {
  let sum = 0;
  const begin = process.cpuUsage().user;
  while (process.cpuUsage().user - begin < BURNT * 1_000) for (let n = 0; n < 10_000; n++) sum += square(n);
  return sum;
}

function burnAtBothEnds(): number {
  return burn((n) => Math.sqrt(n));
}

function burnTheMidnightOil(): number {
  return burn((n) => Math.cbrt(n));
}

@Reagent({ port: 0 })
class Busy {
  @OnData()
  work(conn: Connection) {
    burnAtBothEnds();
    conn.send('done');
  }
}

const nameOf = ({ callFrame }: Profiler.ProfileNode): string => callFrame.functionName;

/** Reads a profile as DevTools would, and returns the names of the functions in it. */
async function functionsIn(path: string): Promise<string[]> {
  const {
    nodes,
    samples = [],
    timeDeltas,
    startTime,
    endTime,
  } = JSON.parse(await readFile(path, 'utf8')) as Profiler.Profile;
  const ids = new Set(nodes.map(({ id }) => id));
  expect(ids.size).toBe(nodes.length);
  expect(nodes[0]?.callFrame.functionName).toBe('(root)');
  for (const { children = [] } of nodes) for (const child of children) expect(ids).toContain(child);
  expect(samples.length).toBeGreaterThan(0);
  expect(timeDeltas).toHaveLength(samples.length);
  for (const sample of new Set(samples)) expect(ids).toContain(sample);
  expect(endTime).toBeGreaterThan(startTime);
  return nodes.map(nameOf);
}

async function samplesIn(path: string): Promise<number> {
  return (JSON.parse(await readFile(path, 'utf8')) as { readonly samples: unknown[] }).samples.length;
}

const files = () => readdir(directory.path);

describe('startProfile()', () => {
  it('shows the functions that were called meanwhile', async () => {
    await using app = await createTestApp(Busy).start();
    const client = await app.connect(Busy);
    const profile = await startProfile({ path: directory.path });
    await client.send('work');
    await client.receive('done');
    const path = await profile.stop();
    burnTheMidnightOil();
    const functions = await functionsIn(path);
    expect(functions).toContain('burnAtBothEnds');
    expect(functions).not.toContain('burnTheMidnightOil');
  });

  it('names its file after the process and the time', async () => {
    const profile = await startProfile({ path: directory.path });
    const path = await profile.stop();
    expect(dirname(path)).toBe(directory.path);
    expect(basename(path)).toMatch(new RegExp(`^CPU-${process.pid}-\\d{8}T\\d{6}Z\\.cpuprofile$`));
    expect(await files()).toEqual([basename(path)]);
  });

  it('overwrites nothing', async () => {
    const path = directory.at('night.cpuprofile');
    await writeFile(path, 'kept');
    const written: string[] = [];
    for (let attempt = 1; attempt <= 2; attempt++) written.push(await (await startProfile({ path })).stop());
    expect(written).toEqual([directory.at('night-2.cpuprofile'), directory.at('night-3.cpuprofile')]);
    expect(await readFile(path, 'utf8')).toBe('kept');
  });

  it('records several at the same time, each from its own start to its own end', async () => {
    const first = await startProfile({ path: directory.path });
    burnAtBothEnds();
    const second = await startProfile({ path: directory.path });
    const early = await functionsIn(await first.stop());
    burnTheMidnightOil();
    const late = await functionsIn(await second.stop());
    expect(early).toContain('burnAtBothEnds');
    expect(early).not.toContain('burnTheMidnightOil');
    expect(late).toContain('burnTheMidnightOil');
    expect(late).not.toContain('burnAtBothEnds');
  });

  it('samples as often as it is told', async () => {
    const often = await startProfile({ path: directory.path, interval: 100 });
    const seldom = await startProfile({ path: directory.path, interval: 20_000 });
    burnAtBothEnds();
    const counts = [await samplesIn(await often.stop()), await samplesIn(await seldom.stop())];
    expect(counts[0]).toBeGreaterThan(4 * (counts[1] ?? 0));
  });

  it('ends by itself after its duration', async () => {
    const profile = await startProfile({ path: directory.path, duration: 20 });
    const path = await profile.written;
    expect(await profile.stop()).toBe(path);
    expect(await files()).toEqual([basename(path)]);
  });

  it('is written at the end of its block', async () => {
    {
      await using _profile = await startProfile({ path: directory.path });
    }
    expect(await files()).toHaveLength(1);
  });

  it('may be stopped twice, and is written once', async () => {
    const profile = await startProfile({ path: directory.path });
    const [one, two] = await Promise.all([profile.stop(), profile.stop()]);
    expect(one).toBe(two);
    expect(await profile.written).toBe(one);
    expect(await files()).toHaveLength(1);
  });

  it.each([
    ['interval', { interval: 10 }],
    ['interval', { interval: Number.NaN }],
    ['duration', { duration: 0 }],
  ])('refuses %s of %j', async (option, options) => {
    await expect(startProfile({ path: directory.path, ...options })).rejects.toThrow(RangeError);
    await expect(startProfile({ path: directory.path, ...options })).rejects.toThrow(option);
  });

  it('does not begin where there is no directory', async () => {
    const missing = startProfile({ path: directory.at('missing') });
    await expect(missing).rejects.toThrow(ProfileError);
    await expect(missing).rejects.toThrow(/missing: the directory does not exist; make it/);
    await expect(missing).rejects.toMatchObject({ code: 'ERR_REAGENT_PROFILE', cause: { code: 'ENOENT' } });
    await expect(startProfile({ path: directory.at('missing/night.cpuprofile') })).rejects.toThrow('does not exist');
    await writeFile(directory.at('file'), '');
    await expect(startProfile({ path: directory.at('file') })).rejects.toThrow('it is no directory');
  });

  it.skipIf(process.getuid?.() === 0)(
    `does not begin where it may not write${process.getuid?.() === 0 ? ' (skipped: root may write everywhere)' : ''}`,
    async () => {
      await mkdir(directory.at('closed'), { mode: 0o500 });
      await expect(startProfile({ path: directory.at('closed') })).rejects.toThrow('may not write there (EACCES)');
      await chmod(directory.at('closed'), 0o700);
    },
  );

  it('says that it could not be written, each time it is asked', async () => {
    const profile = await startProfile({ path: directory.path });
    await rm(directory.path, { recursive: true });
    await expect(profile.stop()).rejects.toThrow(ProfileError);
    await expect(profile.stop()).rejects.toThrow(/could not be written to .*: the directory does not exist/);
    await expect(profile.written).rejects.toThrow(ProfileError);
    // The profiler is free again.
    await mkdir(directory.path);
    await (await startProfile({ path: directory.path })).stop();
    expect(await files()).toHaveLength(1);
  });
});

describe('the profile of a listener', () => {
  const profiles = (app: {
    readonly logs: readonly { message: string; fields: Readonly<Record<string, unknown>> }[];
  }) =>
    app.logs
      .filter(({ message }) => message.includes('CPU profile'))
      .map(({ message, fields }) => ({ message, ...fields }));

  it('is recorded while it is bound, and written when it has stopped', async () => {
    await using app = await createTestApp(Busy, { descriptors: { Busy: { profile: directory.path } } }).start();
    const client = await app.connect(Busy);
    await client.send('work');
    await client.receive('done');
    expect(await files()).toEqual([]);
    client.destroy();
    await app.listener(Busy).stop();
    const [file = ''] = await files();
    expect(file).toMatch(new RegExp(`^Busy-${process.pid}-\\d{8}T\\d{6}Z\\.cpuprofile$`));
    expect(await functionsIn(directory.at(file))).toContain('burnAtBothEnds');
    expect(profiles(app)).toEqual([{ message: 'CPU profile written', listener: 'Busy', path: directory.at(file) }]);
  });

  it('is one for all listeners with the same path, until the last of them has stopped', async () => {
    @Reagent({ port: 0 })
    class Idle {
      @OnData()
      data() {}
    }

    @Reagent({ name: 'a/b c', port: 0 })
    class Elsewhere {
      @OnData()
      data() {}
    }

    @Module({ reagents: [Busy, Idle, Elsewhere] })
    class AppModule {}

    await mkdir(directory.at('other'));
    await using app = await createTestApp(AppModule, {
      descriptors: {
        Busy: { profile: directory.path },
        Idle: { profile: `${directory.path}/other/..` },
        'a/b c': { profile: directory.at('other') },
      },
    }).start();
    await app.listener(Idle).stop();
    expect(await files()).toEqual(['other']);
    burnTheMidnightOil();
    await app.stop();
    const [file = ''] = await files();
    expect(file).toMatch(/^Busy\+Idle-\d+-/);
    expect(await functionsIn(directory.at(file))).toContain('burnTheMidnightOil');
    expect(await readdir(directory.at('other'))).toEqual([expect.stringMatching(/^a_b_c-\d+-/)]);
  });

  it('is begun anew by the next listener', async () => {
    await using app = await createTestApp(Busy, { descriptors: { Busy: { profile: directory.path } } }).start();
    await app.listener(Busy).stop();
    const again = await app.application.start(Busy, { port: 0, host: '127.0.0.1', profile: directory.path });
    burnTheMidnightOil();
    await again.stop();
    const written = await Promise.all((await files()).map((file) => functionsIn(directory.at(file))));
    expect(written.map((functions) => functions.includes('burnTheMidnightOil')).sort()).toEqual([false, true]);
  });

  it('is not written where the application has not started', async () => {
    @Reagent({ port: 0 })
    class Unbindable {
      @OnData()
      data() {}
    }

    @Module({ reagents: [Busy, Unbindable] })
    class AppModule {}

    const descriptors = { Busy: { profile: directory.path }, Unbindable: { port: 0, host: '192.0.2.1' } };
    await expect(createTestApp(AppModule, { descriptors }).start()).rejects.toThrow(ListenError);
    expect(await files()).toEqual([]);
  });

  it.each([
    ['there is no directory', 'missing', 'no CPU profile is recorded'],
    ['its directory goes', '', 'the CPU profile is lost'],
  ])('does no harm to the service where %s', async (_, place, message) => {
    const path = directory.at(place);
    await using app = await createTestApp(Busy, { descriptors: { Busy: { profile: path } } }).start();
    const client = await app.connect(Busy);
    await rm(directory.path, { recursive: true });
    await client.send('work');
    await client.receive('done');
    client.destroy();
    await app.stop();
    expect(profiles(app)).toEqual([{ message, listener: 'Busy', err: expect.any(ProfileError) }]);
  });
});

describe('a process', () => {
  beforeAll(build);

  it('that exits at once writes its profile all the same', async () => {
    await using server = await ServerProcess.start({ descriptor: { port: 0, profile: directory.path } });
    await using client = await TestClient.connect({ port: server.port });
    await client.receive('hello\n');
    await client.send('spin');
    await client.receive('spun\n');
    server.kill('SIGTERM');
    await server.logged(/stopping/);
    server.kill('SIGTERM');
    expect(await server.exit()).toBe(143);
    const [file = ''] = await files();
    expect(file).toMatch(/^Server-\d+-/);
    expect(await functionsIn(directory.at(file))).toContain('spin');
  });

  it('without a profile does not load the profiler', async () => {
    const core = fileURLToPath(new URL('../dist/index.js', import.meta.url));
    const script = `
      import { startProfile } from ${JSON.stringify(core)};
      const loaded = () => process.moduleLoadList.includes('NativeModule inspector');
      const before = loaded();
      await (await startProfile({ path: ${JSON.stringify(directory.path)} })).stop();
      console.log(before, loaded());`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    await once(child, 'close');
    expect(Buffer.concat(output).toString()).toBe('false true\n');
  });
});
