import { defineConfig } from 'vitest/config';

/** All tests, or with `--mode long` those that take minutes each. */
export default defineConfig(({ mode }) => ({
  test: {
    include: [mode === 'long' ? 'test/**/*.long.ts' : 'test/**/*.test.ts'],
    globalSetup: 'test/buildCommand.ts',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // tfjs keeps one global engine per process: a file gets a process of its own, so that no backend leaks into another.
    pool: 'forks',
    maxWorkers: 2,
  },
}));
