// Makes the JavaScript of @reagent/core: one file for its 150 modules and what it needs of zod. Node.js takes longer to find and read modules
// one by one than for all else that a start does.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const core = join(root, 'packages/core');
const dist = join(core, 'dist');

/**
 * The polyfill that tsyringe asks for as soon as it is loaded. A file of its own, since what a bundle imports is loaded before all that it
 * holds; and bundled, since an ES module takes long to import one of CommonJS, whose exports have to be guessed from its text.
 */
const POLYFILL = 'reflect-metadata';

/** An application may use tsyringe itself, whose global container there must be one of. */
const EXTERNAL = ['tsyringe', POLYFILL, /^node:/];

/** What is in the bundle and comes from elsewhere. */
const BUNDLED = ['zod', POLYFILL];

/** Writes the bundle, unless the one that is there was made of the same. */
export async function bundle() {
  const stamp = `// Of ${digest()}\n`;
  if ((await textOf(join(dist, 'index.js')))?.startsWith(stamp)) return;
  // Loaded here, since most of the time there is nothing to do.
  const { rolldown } = await import('rolldown');

  /**
   * @param {string} name
   * @param {string} input
   * @param {import('rolldown').InputOptions} [inputs]
   * @param {import('rolldown').OutputOptions} [outputs]
   */
  const write = async (name, input, inputs, outputs) => {
    const made = await rolldown({ input: { [name]: input }, cwd: core, platform: 'node', ...inputs });
    const { output } = await made.generate({
      dir: dist,
      format: 'es',
      sourcemap: true,
      sourcemapExcludeSources: true,
      keepNames: true,
      ...outputs,
    });
    await made.close();
    if (output.length !== 2) throw new Error(`${name} is to be one file and its map, not ${output.length}`);
    // The map first: who sees the file finds its map too.
    for (const file of output.toReversed()) {
      await replace(join(dist, file.fileName), file.type === 'chunk' ? file.code : file.source);
    }
  };
  await write(POLYFILL, POLYFILL);
  await write(
    'index',
    'src/index.ts',
    { external: EXTERNAL, tsconfig: 'tsconfig.json', transform: { target: 'node20' } },
    { paths: { [POLYFILL]: `./${POLYFILL}.js` }, postBanner: stamp, postFooter: licenseOf('zod') },
  );
  await removeOthers();
}

/** Tells apart all that a bundle can be made of. */
function digest() {
  const hash = createHash('sha256');
  const sources = readdirSync(join(core, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/\.test(-d)?\.ts$/.test(name))
    .sort()
    .map((name) => join('packages/core/src', name));
  for (const name of ['scripts/bundle.mjs', 'packages/core/tsconfig.json', 'tsconfig.base.json', ...sources]) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(root, name)))
      .update('\0');
  }
  for (const path of [join(root, 'node_modules/rolldown'), ...BUNDLED.map(installedAt)]) {
    const { name, version } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    hash.update(`${name}\0${version}\0`);
  }
  return hash.digest('hex');
}

/** @param {string} name of a package that core has, which may not export its package.json */
function installedAt(name) {
  return join(core, 'node_modules', name);
}

/** @param {string} name of a package, whose license wants to be wherever its code is */
function licenseOf(name) {
  const license = readFileSync(join(installedAt(name), 'LICENSE'), 'utf8');
  return `/*! Holds parts of ${name}:\n\n${license.trim()}\n*/`;
}

/**
 * Replaces a file at once: processes that read it, or make the same, may run at the same time.
 *
 * @param {string} path
 * @param {string | Uint8Array} content
 */
async function replace(path, content) {
  const beside = `${path}.${process.pid}`;
  try {
    await writeFile(beside, content);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

/** Removes the modules of earlier builds, which would be published. */
async function removeOthers() {
  const ours = new Set(['index', POLYFILL].flatMap((name) => [`${name}.js`, `${name}.js.map`]));
  const names = readdirSync(dist, { recursive: true, encoding: 'utf8' });
  const others = names.filter((name) => /\.js(\.map)?$/.test(name) && !ours.has(name));
  await Promise.all(others.map((name) => rm(join(dist, name), { force: true })));
}

/** @param {string} path */
async function textOf(path) {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return undefined;
    throw error;
  }
}
