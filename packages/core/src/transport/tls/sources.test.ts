import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Sources } from './sources.js';
import { TlsReport } from './tls-report.js';

it('a file that serves in several places is the same in all of them, though it changes meanwhile', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'reagent-'));
  try {
    const path = join(directory, 'a.pem');
    const report = new TlsReport();
    const sources = new Sources(report);
    writeFileSync(path, 'old');
    expect(sources.read('secure.cert', path)?.bytes.toString()).toBe('old');
    const states = new Map(sources.files);
    writeFileSync(path, 'newer');
    expect(sources.read('secure.key', path)?.bytes.toString()).toBe('old');
    // So the change is noticed when the files are looked at.
    expect(sources.files).toEqual(states);
    expect(report.problems).toEqual([]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
