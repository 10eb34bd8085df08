import { defineConfig } from 'vitest/config';
import project from '../../../../vitest.config.js';

// The examples of the guide as a project of their own, which has nothing but the sources in common with this one.
export default defineConfig({
  resolve: project.resolve ?? {},
  oxc: project.oxc ?? {},
  test: {
    include: ['**/*.test.ts'],
    // They lie in node_modules, where they find the same packages as the sources.
    exclude: [],
    server: { deps: { inline: [/[\\/]guide-[^\\/]*[\\/]/] } },
    maxWorkers: 1,
    isolate: false,
    testTimeout: 30_000,
  },
});
