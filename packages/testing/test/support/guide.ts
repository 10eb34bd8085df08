import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeExamples } from '../../../../scripts/examples.mjs';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const config = fileURLToPath(new URL('./guide.vitest.ts', import.meta.url));

/** What became of one test of the guide. */
export interface GuideTest {
  readonly name: string;
  readonly passed: boolean;
  /** The text of all that was wrong, with the stacks. */
  readonly failure: string;
}

/** The examples of the guide's page on testing, with a change or without. */
export interface Variant {
  /** What its folder is called. */
  readonly name: string;
  /** What to replace in the server, and by what. Default: nothing. */
  readonly edits?: readonly (readonly [text: string, replacement: string])[];
  /** The test files to run, by their name without `.test.ts`. Default: all. */
  readonly files?: readonly string[];
}

/** What vitest's reporter for machines writes, as far as it is of use here. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Runs the examples as a user would, in a vitest of their own, and gives the tests of each variant. */
export async function runGuide(variants: readonly Variant[]): Promise<ReadonlyMap<string, readonly GuideTest[]>> {
  const cache = join(root, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  const folder = await realpath(await mkdtemp(join(cache, 'guide-')));
  try {
    for (const variant of variants) await write(variant, join(folder, variant.name));
    const filters = variants.flatMap(({ name, files }) =>
      files === undefined ? [`${folder}/${name}/`] : files.map((file) => `${folder}/${name}/${file}.test.ts`),
    );
    const report = await run(folder, filters);
    return new Map(variants.map(({ name }) => [name, testsIn(report, `${folder}/${name}/`)]));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function write({ edits = [] }: Variant, folder: string): Promise<void> {
  await mkdir(folder);
  writeExamples(join(root, 'docs/testing.md'), folder);
  const server = join(folder, 'store.ts');
  let text = await readFile(server, 'utf8');
  for (const [old, replacement] of edits) {
    if (!text.includes(old)) throw new Error(`the guide's server has no longer what is to be replaced: ${old}`);
    text = text.replace(old, () => replacement);
  }
  await writeFile(server, text);
}

async function run(folder: string, filters: readonly string[]): Promise<Report> {
  const output = join(folder, 'report.json');
  const child = spawn(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      ...['run', '--root', folder, '--config', config, '--reporter', 'json', '--outputFile', output],
      ...filters,
    ],
    // What the vitest that runs this has set for its own workers is not for another one.
    { cwd: root, env: withoutVitest(process.env), stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (log += String(text)));
  await once(child, 'close');
  try {
    return JSON.parse(await readFile(output, 'utf8')) as Report;
  } catch (cause) {
    throw new Error(`vitest did not run the guide:\n${log}`, { cause });
  }
}

function withoutVitest(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/^(VITEST|TEST$|NODE_ENV$)/.test(name)));
}

function testsIn(report: Report, folder: string): GuideTest[] {
  return report.testResults
    .filter(({ name }) => name.startsWith(folder))
    .flatMap(({ name, message, assertionResults }) =>
      // A file that could not be read has no tests.
      assertionResults.length === 0
        ? [{ name, passed: false, failure: message }]
        : assertionResults.map(({ title, status, failureMessages }) => ({
            name: title,
            passed: status === 'passed',
            failure: failureMessages.join('\n').replaceAll(folder, ''),
          })),
    );
}
