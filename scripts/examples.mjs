// The TypeScript examples of the documentation.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * A block fenced as "ts". With `file=name.ts` behind it, blocks of one page see each other as files; without, it stands alone.
 *
 * @typedef {object} Example
 * @property {string} file
 * @property {number} line where its text begins on the page, from 1
 * @property {string} text
 */

const fence = /^```ts(?: +file=(?<file>[\w./-]+\.ts))? *\n(?<text>.*?)^```$/gms;

/**
 * @param {string} markdown
 * @returns {Example[]}
 */
export function examplesOf(markdown) {
  return [...markdown.matchAll(fence)].map((match) => {
    const line = markdown.slice(0, match.index).split('\n').length + 1;
    return { file: match.groups?.file ?? `line-${line}.ts`, line, text: match.groups?.text ?? '' };
  });
}

/**
 * The READMEs and the guide's pages.
 *
 * @param {string} root of the repository
 */
export function documentationPages(root) {
  const guide = existsSync(join(root, 'docs')) ? readdirSync(join(root, 'docs')) : [];
  const packages = readdirSync(join(root, 'packages')).map((name) => join('packages', name, 'README.md'));
  return [
    'README.md',
    ...packages.filter((page) => existsSync(join(root, page))),
    ...guide.filter((name) => name.endsWith('.md')).map((name) => join('docs', name)),
  ];
}

/**
 * Writes the examples of a page as files that a compiler can read: each on the line that it has on the page, so that an error's
 * line is the page's. Returns how many there are.
 *
 * @param {string} page the path of a Markdown file
 * @param {string} folder where to
 */
export function writeExamples(page, folder) {
  const examples = examplesOf(readFileSync(page, 'utf8'));
  /** @type {Map<string, string>} */
  const files = new Map();
  for (const { file, line, text } of examples) {
    const before = files.get(file) ?? '';
    const padding = '\n'.repeat(line - before.split('\n').length);
    files.set(file, before + padding + text);
  }
  for (const [file, text] of files) {
    const path = join(folder, file);
    mkdirSync(dirname(path), { recursive: true });
    // Without an import or export it would be a script, whose names are everybody's.
    writeFileSync(path, `${text}\nexport {};\n`);
  }
  return examples.length;
}

/** @param {string} page */
export function folderNameOf(page) {
  return page.replace(/\.md$/, '').replaceAll(/[\\/]/g, '-');
}
