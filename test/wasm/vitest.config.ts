import { defineConfig } from 'vitest/config';

/** The tests of what computes with tensors, on wasm instead of cpu: npm run test:wasm */
export default defineConfig({
  test: {
    include: ['attention', 'core', 'decoders', 'encoders', 'training'].map((folder) => `test/${folder}/**/*.test.ts`),
    exclude: ['test/training/drawnShapes.test.ts'], // runs on wasm anyway
    setupFiles: ['test/wasm/setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
