import { createRequire } from 'node:module';

const packageOf = createRequire(import.meta.url);

/** The versions of what this is made of. */
export const versions = {
  core: (packageOf('@reagent/core/package.json') as { version: string }).version,
} as const;
