// Makes the JavaScript of what servers load: one file for the 150 modules of @reagent/core and what it needs of zod, and one for @reagent/ops.
// Node.js takes longer to find and read modules one by one than for all else that a start does.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/**
 * The polyfill that tsyringe asks for as soon as it is loaded. A file of its own, since what a bundle imports is loaded before all that it
 * holds; and bundled, since an ES module takes long to import one of CommonJS, whose exports have to be guessed from its text.
 */
const POLYFILL = 'reflect-metadata';

/**
 * @typedef {object} Package
 * @property {string} folder
 * @property {readonly (string | RegExp)[]} external what stays outside
 * @property {readonly string[]} bundled what comes from elsewhere, and is in its files
 * @property {readonly string[]} apart those of them that are a file of their own
 */

/** @type {readonly Package[]} */
const packages = [
  // An application may use tsyringe itself, whose global container there must be one of.
  { folder: 'packages/core', external: ['tsyringe'], bundled: ['zod', POLYFILL], apart: [POLYFILL] },
  { folder: 'packages/ops', external: ['@reagent/core', 'prom-client'], bundled: ['zod'], apart: [] },
];

/** Writes the bundles, but those that are there and were made of the same. */
export async function bundle() {
  for (const each of packages) await bundlePackage(each);
}

/** @param {Package} made */
async function bundlePackage({ folder, external, bundled, apart }) {
  const cwd = join(root, folder);
  const dist = join(cwd, 'dist');
  const stamp = `// Of ${digest(folder, bundled)}\n`;
  if ((await textOf(join(dist, 'index.js')))?.startsWith(stamp)) return;
  // Loaded here, since most of the time there is nothing to do.
  const { rolldown } = await import('rolldown');
  await mkdir(dist, { recursive: true });

  /**
   * @param {string} name
   * @param {string} input
   * @param {import('rolldown').InputOptions} [inputs]
   * @param {import('rolldown').OutputOptions} [outputs]
   */
  const write = async (name, input, inputs, outputs) => {
    const made = await rolldown({ input: { [name]: input }, cwd, platform: 'node', ...inputs });
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
  for (const name of apart) await write(name, name);
  await write(
    'index',
    'src/index.ts',
    { external: [...external, ...apart, /^node:/], tsconfig: 'tsconfig.json', transform: { target: 'node20' } },
    {
      paths: Object.fromEntries(apart.map((name) => [name, `./${name}.js`])),
      postBanner: stamp,
      postFooter: licenseOf(cwd, 'zod'),
    },
  );
  await removeOthers(dist, ['index', ...apart]);
}

/**
 * Tells apart all that a bundle can be made of.
 *
 * @param {string} folder of the package
 * @param {readonly string[]} bundled
 */
function digest(folder, bundled) {
  const hash = createHash('sha256');
  const sources = readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/\.test(-d)?\.ts$/.test(name))
    .sort()
    .map((name) => join(folder, 'src', name));
  for (const name of ['scripts/bundle.mjs', join(folder, 'tsconfig.json'), 'tsconfig.base.json', ...sources]) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(root, name)))
      .update('\0');
  }
  const installed = bundled.map((name) => join(root, folder, 'node_modules', name));
  for (const path of [join(root, 'node_modules/rolldown'), ...installed]) {
    const { name, version } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    hash.update(`${name}\0${version}\0`);
  }
  return hash.digest('hex');
}

/**
 * @param {string} cwd
 * @param {string} name of a package, whose license wants to be wherever its code is
 */
function licenseOf(cwd, name) {
  const license = readFileSync(join(cwd, 'node_modules', name, 'LICENSE'), 'utf8');
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

/**
 * Removes the modules of earlier builds, which would be published.
 *
 * @param {string} dist
 * @param {readonly string[]} kept the names of those of this one
 */
async function removeOthers(dist, kept) {
  const ours = new Set(kept.flatMap((name) => [`${name}.js`, `${name}.js.map`]));
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
