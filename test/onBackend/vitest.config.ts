import { defineConfig } from 'vitest/config';

/** The tests of what computes with tensors on another backend than cpu, named by --mode: npm run test:wasm */
export default defineConfig(({ mode }) => ({
  test: {
    include: ['attention', 'core', 'decoders', 'encoders', 'training'].map((folder) => `test/${folder}/**/*.test.ts`),
    exclude: ['test/training/drawnShapes.test.ts'], // asks for wasm
    setupFiles: ['test/onBackend/setup.ts'],
    env: { TEST_BACKEND: mode },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
}));
