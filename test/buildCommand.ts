import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');

/** Before all tests: the command line in one file, which starts in a third of the time that its sources take. */
export default async function buildCommand(): Promise<void> {
  await build({
    entryPoints: [join(root, 'src/cli/index.ts')],
    outfile: join(root, '.cache/test/cli.js'),
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  });
}
