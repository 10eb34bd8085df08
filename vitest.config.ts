import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    // Tests run against the sources, so that no build is needed and a class has one identity.
    alias: {
      '@reagent/core': source('packages/core/src/index.ts'),
      '@reagent/ops': source('packages/ops/src/index.ts'),
      // Before the next one, which is its beginning.
      '@reagent/testing/vitest': source('packages/testing/src/matchers/vitest.ts'),
      '@reagent/testing': source('packages/testing/src/index.ts'),
    },
  },
  // Vite reads a tsconfig only for the files it includes; the tests are not in one that emits.
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    // Tests wait more than they compute: one core is not left idle.
    maxWorkers: '100%',
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          // A process for each of these would spend most of its time on loading the same modules again.
          isolate: false,
          include: ['packages/*/src/**/*.test.ts', 'packages/core/test/behaviour/*.test.ts'],
          typecheck: {
            enabled: true,
            tsconfig: 'tsconfig.tests.json',
            include: ['packages/*/{src,test}/**/*.test-d.ts'],
          },
        },
      },
      {
        extends: true,
        test: {
          // They look at what a whole process has: memory, descriptors, subscribers, unhandled rejections, children.
          name: 'alone',
          include: ['packages/*/test/**/*.test.ts', 'apps/*/{src,test}/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'packages/core/test/behaviour/**'],
        },
      },
    ],
    // What is to happen soon has a limit of its own, which tells what did not. A machine that is busy fails no test.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    setupFiles: ['test/setup.ts'],
  },
});
