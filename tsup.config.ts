import { defineConfig } from 'tsup';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    indexNode: 'src/indexNode.ts',
    node: 'src/node.ts',
    metrics: 'src/metrics/index.ts',
    meteorThread: 'src/metrics/meteor/meteorThread.ts',
    pictureThread: 'src/node/pictureThread.ts',
    trainingThread: 'src/node/parallel/trainingThread.ts',
    cli: 'src/cli/index.ts',
  },
  format: ['esm'],
  platform: 'neutral',
  target: 'es2022',
  // One copy of every module however many entries use it: parameters and errors must be of one class.
  splitting: true,
  // `platform: 'neutral'` knows no built-in modules; with their `node:` they are told from packages of the same name.
  external: [/^node:/],
  removeNodeProtocol: false,
  // Maps carry the sources, so that the package need not hold them twice.
  sourcemap: true,
  clean: true,
  dts: {
    // `indexNode` has the types of `index`: a test holds that.
    entry: { index: 'src/index.ts', node: 'src/node.ts', metrics: 'src/metrics/index.ts' },
    compilerOptions: { ignoreDeprecations: '6.0' },
  },
});
