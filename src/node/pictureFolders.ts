import { existsSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { NameTable } from '../data/nameTable';

const pictureFile = /\.(?:jpe?g|png|webp|gif|avif|tiff?)$/i;

/** Finds pictures by the names that caption files give them, in folders that are listed once and held in a few bytes per picture. */
export class PictureFolders {
  private readonly listings = new Map<string, NameTable>();
  /** Those of `folders` that there are. */
  private filled: readonly string[] | undefined;
  private last: { name?: string; path: string | undefined } = { path: undefined };

  /** @param folders - where pictures may lie, the first that has a name counts; relative to `root`, `''` for itself */
  constructor(
    private readonly root: string,
    private readonly folders: readonly string[],
  ) {}

  get paths(): string[] {
    return this.folders.map((folder) => join(this.root, folder));
  }

  /**
   * The path of a picture.
   *
   * @param name - a file name, or a path in one of the folders
   * @returns undefined where it is not there, or would lie outside of the data folder
   */
  async find(name: string, first: readonly string[] = []): Promise<string | undefined> {
    // Captions of one picture mostly follow each other.
    if (name === this.last.name && first.length === 0) return this.last.path;
    const relative = posix.normalize(name.replaceAll('\\', '/'));
    if (isOutside(relative)) return undefined;
    const [folder, base] = [posix.dirname(relative), posix.basename(relative)];
    this.filled ??= this.folders.filter((each) => existsSync(join(this.root, each)));
    let path: string | undefined;
    for (const each of [...first, ...this.filled]) {
      const place = join(this.root, each, folder);
      const names = this.listings.get(place) ?? (await this.listing(place));
      if (!names.has(base)) continue;
      path = join(place, base);
      break;
    }
    if (first.length === 0) this.last = { name, path };
    return path;
  }

  /** Picture files that lie directly in the folders; of one name the first. */
  async *list(): AsyncGenerator<{ id: string; file: string }> {
    const seen = new NameTable();
    for (const path of this.paths) {
      const names = await this.listing(path);
      const sorted = Array.from({ length: names.size }, (_, index) => names.at(index)).sort();
      for (const name of sorted) {
        if (!pictureFile.test(name) || !seen.isNew(name)) continue;
        yield { id: name, file: join(path, name) };
      }
    }
  }

  private async listing(folder: string): Promise<NameTable> {
    const known = this.listings.get(folder);
    if (known) return known;
    const names = await namesIn(folder);
    this.listings.set(folder, names);
    return names;
  }
}

/** Whether a path out of a caption file leaves the folder: it could read any file of this machine. */
export function isOutside(path: string): boolean {
  const normal = posix.normalize(path.replaceAll('\\', '/'));
  return normal === '..' || normal.startsWith('../') || posix.isAbsolute(normal) || /^[a-z]:/i.test(normal);
}

/** The names of files; none where there is no such folder. Entries come one by one, so that a million take no more than their names. */
async function namesIn(folder: string): Promise<NameTable> {
  const names = new NameTable();
  try {
    for await (const entry of await opendir(folder, { bufferSize: 1024 }))
      if (entry.isFile() || entry.isSymbolicLink()) names.add(entry.name);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  return names;
}
