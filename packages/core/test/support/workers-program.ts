// The main file of `WorkersProcess`, as a program that starts fast. A process that loads the package module by module spends more time on
// that than on all else that it does in a test, and there are three of them in most.

import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { TemporaryDirectory } from './temporary-directory.js';

const source = fileURLToPath(new URL('./workers-process.mjs', import.meta.url));
const core = fileURLToPath(new URL('../../src/index.ts', import.meta.url));

let program = source;

/** The main file: the source, which takes the built package, unless it is bundled. */
export function workersProgram(): string {
  return program;
}

interface Bundler {
  build(options: object): Promise<unknown>;
}

/** Makes one file of the program, the sources of the package and all they import. Returns what removes it. */
export async function bundle(): Promise<() => Promise<void>> {
  const require = createRequire(import.meta.url);
  // vitest brings it along.
  const { build } = (await import(createRequire(require.resolve('vitest/package.json')).resolve('vite'))) as Bundler;
  const directory = await TemporaryDirectory.make();
  // Bundlers do not keep the order in which the packages expect each other.
  const banner = `import ${JSON.stringify(pathToFileURL(require.resolve('reflect-metadata')))};`;
  await build({
    configFile: false,
    logLevel: 'error',
    resolve: { alias: { '@reagent/core': core } },
    ssr: { noExternal: true },
    build: {
      ssr: source,
      outDir: directory.path,
      emptyOutDir: false,
      minify: false,
      target: 'node20',
      rolldownOptions: { output: { banner, codeSplitting: false, entryFileNames: '[name].mjs' } },
    },
  });
  program = directory.at('workers-process.mjs');
  return () => directory[Symbol.asyncDispose]();
}
