import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** The file of the threads that read pictures, or of others in src/node, built for these tests: threads start from a file, not from source. */
export function useThreadFile(source = 'pictureThread.ts'): { readonly file: URL } {
  let folder: string;
  beforeAll(async () => {
    await mkdir(join(root, '.cache/test'), { recursive: true });
    folder = await mkdtemp(join(root, '.cache/test/threads-')); // here the packages that it imports are found
    await build({
      entryPoints: [join(root, 'src/node', source)],
      outfile: join(folder, 'thread.mjs'),
      ...{ bundle: true, format: 'esm', platform: 'node', packages: 'external', logLevel: 'error' },
    });
  });
  afterAll(() => rm(folder, { recursive: true }));
  return {
    get file() {
      return pathToFileURL(join(folder, 'thread.mjs'));
    },
  };
}
