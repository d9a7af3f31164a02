import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Files } from '../../src/data/files';

/** The files of a case, as what reads tokenizers wants them. */
export const filesOf = (folder: string): Files => ({
  location: folder,
  read: async (name) => new Uint8Array(readFileSync(join(folder, name))),
  size: async (name) => (existsSync(join(folder, name)) ? statSync(join(folder, name)).size : undefined),
});

/** The cases of scripts/make_variant_goldens.py whose name begins with `prefix`. */
export function variantFolders(prefix: string): string[] {
  const root = join(import.meta.dirname, '../goldens/variants');
  return readdirSync(root)
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(root, name));
}
