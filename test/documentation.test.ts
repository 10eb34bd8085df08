import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { documentationPages, examplesOf, folderNameOf, writeExamples } from '../scripts/examples.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = documentationPages(root);

/** Under the repository, so that the examples find the same packages as the sources. */
let folder: string;

beforeAll(() => {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  folder = mkdtempSync(join(cache, 'examples-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('every example of the documentation compiles', { timeout: 60_000 }, () => {
  for (const page of pages) writeExamples(join(root, page), join(folder, folderNameOf(page)));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));

  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const compiler = spawnSync(process.execPath, [tsc, '--pretty', 'false', '-p', folder], {
    encoding: 'utf8',
    cwd: folder,
  });

  expect(compiler.stdout.trim()).toBe('');
  expect(compiler.status).toBe(0);
});

test('all YAML of the documentation is YAML', () => {
  const blocks = pages.flatMap((page) => [
    ...readFileSync(join(root, page), 'utf8').matchAll(/^```ya?ml\n(?<text>.*?)^```$/gms),
  ]);
  expect(blocks.length).toBeGreaterThan(4);
  for (const { groups } of blocks) {
    for (const { errors, warnings } of parseAllDocuments(groups?.text ?? ''))
      expect([...errors, ...warnings]).toEqual([]);
  }
});

test('the README has examples', () => {
  expect(writeExamples(join(root, 'README.md'), join(folder, 'count'))).toBeGreaterThan(2);
});

test('an example is found with its file name and its line', () => {
  const markdown = 'Text\n\n```ts file=a.ts\nconst a = 1;\n```\n\n```sh\nls\n```\n\n```ts\nconst b = 2;\n```\n';

  expect(examplesOf(markdown)).toEqual([
    { file: 'a.ts', line: 4, text: 'const a = 1;\n' },
    { file: 'line-12.ts', line: 12, text: 'const b = 2;\n' },
  ]);
});

const settings = {
  extends: join(root, 'tsconfig.tests.json'),
  compilerOptions: {
    // Examples are to be read, not to be complete.
    noUnusedLocals: false,
    noUnusedParameters: false,
    typeRoots: [join(root, 'node_modules/@types')],
  },
  include: ['.'],
};
