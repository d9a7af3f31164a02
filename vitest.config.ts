import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // tfjs keeps one global engine per process: a file gets a process of its own, so that no backend leaks into another.
    pool: 'forks',
    maxWorkers: 2,
  },
});
