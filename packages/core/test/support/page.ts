import { readFileSync } from 'node:fs';

/** A page of the guide, from which tests take what they run. */
export class Page {
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
  }

  static read(name: string): Page {
    return new Page(readFileSync(new URL(`../../../../docs/${name}`, import.meta.url), 'utf8'));
  }

  /** The blocks in this language, in order; with what stands behind it, such as `'ts file=main.ts'`. */
  blocks(language: string): string[] {
    const blocks = this.text.matchAll(new RegExp(`^\`\`\`${language}\\n(?<text>.*?)^\`\`\`$`, 'gms'));
    return [...blocks].map(({ groups }) => groups?.text ?? '');
  }
}

/** Puts what a test has in the place of what a page has. Fails where the page does not have it. */
export function adapted(text: string, changes: Readonly<Record<string, string | number>>): string {
  let changed = text;
  for (const [from, to] of Object.entries(changes)) {
    if (!changed.includes(from)) throw new Error(`there is no ${JSON.stringify(from)} in\n${changed}`);
    changed = changed.replaceAll(from, String(to));
  }
  return changed;
}
