import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Where the parts of the page are: beside both the sources and what is compiled from them. */
const folder = new URL('../page/', import.meta.url);

/** The modules of the page's script, each after those that it imports. */
const modules = ['format.js', 'document.js', 'history.js', 'chart.js', 'tables.js', 'page.js'] as const;

/** The live page: one document with all that it needs, which may run what is in it and nothing else. */
export interface Page {
  readonly html: string;
  readonly contentSecurityPolicy: string;
}

/** Puts the page together from its parts. */
export function loadPage(): Page {
  const style = readPart('page.css');
  const script = modules.map(readModule).join('\n');
  const html = readPart('index.html')
    // By functions: in a text, `$&` and the like would stand for something else.
    .replace('<!-- style -->', () => `<style>${style}</style>`)
    .replace('<!-- script -->', () => `<script type="module">${script}</script>`);
  return {
    html,
    contentSecurityPolicy: [
      "default-src 'none'",
      `style-src ${hashOf(style)}`,
      `script-src ${hashOf(script)}`,
      "connect-src 'self'",
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  };
}

function readPart(name: string): string {
  return readFileSync(new URL(name, folder), 'utf8');
}

/** A module's text as a part of one script, in which all of them share a scope. */
function readModule(name: string): string {
  return readPart(name)
    .replaceAll(/^import [^;]*;\n/gm, '')
    .replaceAll(/^export /gm, '');
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
