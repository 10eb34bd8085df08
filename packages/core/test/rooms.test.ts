import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const source = fileURLToPath(new URL('../src', import.meta.url));

/** The rooms in the order in which they may import each other at run time: each from those behind it. */
const floors = ['application', 'workers', 'listener', 'connection', 'codec'];
/** Rooms that anyone may import. */
const leaves = [
  'decorators',
  'descriptor',
  'telemetry',
  'errors.ts',
  'timer.ts',
  'transport',
  'tsyringe.ts',
  'turns.ts',
];

interface Import {
  readonly file: string;
  readonly target: string;
  readonly typeOnly: boolean;
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !/\.test(-d)?\.ts$/.test(file),
);

const imports = files.flatMap((file): Import[] => {
  const text = readFileSync(join(source, file), 'utf8');
  return [...text.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from '(\.[^']+)';/gm)].map(([, type, path]) => ({
    file,
    target: relative(source, resolve(source, dirname(file), String(path))).replace(/\.js$/, '.ts'),
    typeOnly: type !== undefined,
  }));
});

const roomOf = (file: string) => file.split('/')[0] ?? file;

describe('the rooms of the source', () => {
  it('are all known', () => {
    const known = [...floors, ...leaves, 'index.ts'];
    expect(files.map(roomOf).filter((room) => !known.includes(room))).toEqual([]);
    expect(imports.length).toBeGreaterThan(100);
  });

  it('import one way: application, workers, listener, connection, codec', () => {
    const upward = imports.filter(({ file, target, typeOnly }) => {
      const from = floors.indexOf(roomOf(file));
      const to = floors.indexOf(roomOf(target));
      return !typeOnly && from !== -1 && to !== -1 && to < from;
    });
    expect(upward).toEqual([]);
  });

  it('that anyone may import do not import those that import them', () => {
    const allowed = [...leaves, 'codec'];
    const upward = imports.filter(
      ({ file, target, typeOnly }) => !typeOnly && leaves.includes(roomOf(file)) && !allowed.includes(roomOf(target)),
    );
    expect(upward).toEqual([]);
  });

  it('get at tsyringe through the file that loads what it needs first', () => {
    const direct = files.filter((file) =>
      /from 'tsyringe'|'reflect-metadata'/.test(readFileSync(join(source, file), 'utf8')),
    );
    expect(direct).toEqual(['tsyringe.ts']);
  });

  it('leave index.ts to the users', () => {
    expect(imports.filter(({ target }) => target === 'index.ts')).toEqual([]);
  });
});
