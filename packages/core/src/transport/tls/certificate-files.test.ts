import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CERTIFICATE_CHECK_INTERVAL, CertificateFiles, type FileStates, readWithState } from './certificate-files.js';

let directory: string;
let files: CertificateFiles;
let changes: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reagent-'));
  changes = 0;
  files = new CertificateFiles(() => changes++);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});

afterEach(async () => {
  files.stop();
  vi.useRealTimers();
  await rm(directory, { recursive: true });
});

/** A file with something in it. */
async function file(name: string, text = 'old'): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

/** The files as they are now. */
function statesOf(...paths: string[]): FileStates {
  return new Map(paths.map((path) => [path, readWithState(path).state]));
}

/** Lets the time pass until the next look, and waits for what it finds. */
async function look(interval = CERTIFICATE_CHECK_INTERVAL): Promise<void> {
  vi.advanceTimersByTime(interval);
  do await setImmediate();
  while (vi.getTimerCount() === 0);
}

/** Looks until all that has changed is noticed, and then some more. */
async function settle(): Promise<number> {
  for (let looks = 0; looks < 6; looks++) await look();
  return changes;
}

describe('CertificateFiles calls back once for a file', () => {
  it('that is written in place', async () => {
    const path = await file('a.pem', 'old');
    files.watch(statesOf(path));
    expect(await settle()).toBe(0);
    await writeFile(path, 'newer');
    expect(await settle()).toBe(1);
    await writeFile(path, 'newest one');
    expect(await settle()).toBe(2);
  });

  it('that is replaced by another', async () => {
    const path = await file('a.pem');
    files.watch(statesOf(path));
    await rename(await file('next', 'newer'), path);
    expect(await settle()).toBe(1);
    // The new one is watched as the old one was.
    await writeFile(path, 'newest one');
    expect(await settle()).toBe(2);
  });

  it('behind a link that is turned, as certbot does', async () => {
    await mkdir(join(directory, 'archive'));
    await mkdir(join(directory, 'live'));
    await file('archive/cert1.pem');
    await file('archive/cert2.pem');
    const path = join(directory, 'live/cert.pem');
    await symlink('../archive/cert1.pem', path);
    files.watch(statesOf(path));
    await unlink(path);
    await symlink('../archive/cert2.pem', path);
    expect(await settle()).toBe(1);
  });

  it('in a directory whose link is turned, as Kubernetes does', async () => {
    for (const version of ['..1', '..2']) {
      await mkdir(join(directory, version));
      await file(`${version}/tls.crt`);
      await file(`${version}/tls.key`);
    }
    const [cert, key, data] = ['tls.crt', 'tls.key', '..data'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    await symlink('..1', data);
    await symlink('..data/tls.crt', cert);
    await symlink('..data/tls.key', key);
    files.watch(statesOf(cert, key));
    await symlink('..2', join(directory, '..next'));
    await rename(join(directory, '..next'), data);
    expect(await settle()).toBe(1);
  });

  it('that is away for a moment while it is replaced', async () => {
    const path = await file('a.pem');
    files.watch(statesOf(path));
    await unlink(path);
    await look();
    await file('a.pem', 'newer');
    expect(await settle()).toBe(1);
  });

  it('that is away for longer, and again when it is back', async () => {
    const path = await file('a.pem');
    files.watch(statesOf(path));
    await unlink(path);
    expect(await settle()).toBe(1);
    await file('a.pem', 'newer');
    expect(await settle()).toBe(2);
  });

  it('that has changed between reading and watching', async () => {
    const path = await file('a.pem', 'old');
    const states = statesOf(path);
    await writeFile(path, 'newest one');
    files.watch(states);
    expect(await settle()).toBe(1);
  });

  it('or several that change one after the other', async () => {
    const [cert, key] = [await file('a.pem'), await file('a.key.pem')];
    files.watch(statesOf(cert, key));
    await writeFile(cert, 'newer');
    await look();
    await writeFile(key, 'newer');
    expect(await settle()).toBe(1);
  });
});

describe('CertificateFiles', () => {
  it('waits until two looks find the same', async () => {
    const path = await file('a.pem');
    files.watch(statesOf(path));
    for (let text = '.'; text.length < 5; text += '.') {
      await writeFile(path, text);
      await look();
    }
    expect(changes).toBe(0);
    await look();
    expect(changes).toBe(1);
  });

  it('watches only the files it was last told of', async () => {
    const [first, second] = [await file('first'), await file('second')];
    files.watch(statesOf(first));
    files.watch(statesOf(second));
    await writeFile(first, 'newer');
    expect(await settle()).toBe(0);
    await writeFile(second, 'newer');
    expect(await settle()).toBe(1);
  });

  it('may be told of other files when it calls back', async () => {
    const [first, second] = [await file('first'), await file('second')];
    files = new CertificateFiles(() => {
      changes++;
      files.watch(statesOf(first, second));
    });
    files.watch(statesOf(first));
    await writeFile(first, 'newer');
    expect(await settle()).toBe(1);
    await writeFile(second, 'newer');
    expect(await settle()).toBe(2);
  });

  it.each(['before', 'within'])('does not call back once it was stopped %s a look', async (when) => {
    const path = await file('a.pem');
    files.watch(statesOf(path));
    await writeFile(path, 'newer');
    await look();
    if (when === 'within') vi.advanceTimersByTime(CERTIFICATE_CHECK_INTERVAL);
    files.stop();
    vi.advanceTimersByTime(CERTIFICATE_CHECK_INTERVAL);
    for (let asked = 0; asked < 20; asked++) await stat(path);
    expect(changes).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('has no timer where there is nothing to watch', () => {
    files.watch(new Map());
    expect(vi.getTimerCount()).toBe(0);
  });

  it('looks as often as it is told', async () => {
    files = new CertificateFiles(() => changes++, 5);
    files.watch(new Map([[join(directory, 'none.pem'), 'there']]));
    await look(5);
    await look(5);
    expect(changes).toBe(1);
  });

  it('does not keep the process alive', () => {
    vi.useRealTimers();
    const path = join(directory, 'a.pem');
    writeFileSync(path, '');
    const before = process.getActiveResourcesInfo();
    files.watch(statesOf(path));
    expect(process.getActiveResourcesInfo()).toEqual(before);
  });
});
