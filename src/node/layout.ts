import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../core/errors';
import type { Row } from '../data/layouts/entry';
import type { WikipediaCaption } from '../data/layouts/wikipedia';
import type { Split } from '../data/types';
import type { PictureCache } from './pictureCache';

/** One way in which caption data is distributed, recognised by what lies in the folder. */
export type Layout = {
  /** What it takes to be recognised, for the message where nothing was. */
  lookedFor: string;
  /** Undefined where the folder is of another layout. */
  recognise(folder: Folder, options: LayoutOptions): Promise<Recognised | undefined>;
};

export type LayoutOptions = {
  /** Pictures that were downloaded before. */
  pictures: PictureCache;
  /** Which of Wikipedia's captions to take. */
  wikipediaCaption: WikipediaCaption;
};

/** Caption data that was recognised, before its rows are read. */
export type Recognised = {
  /** The layout by name, such as `flickr8k`. */
  layout: string;
  /** The file that shows it, for messages. */
  because: string;
  /** Where pictures are looked for, for messages. */
  pictureFolders: readonly string[];
  /** Every row, in the order of the files; those of one picture may lie apart. */
  entries(): AsyncIterable<Row>;
  /** Whether rows of one picture lie apart, so that they cannot be put together as they come. */
  scattered?: boolean;
  /** The ids of each split, where files of their own say so. */
  splits?: Record<Split, readonly string[]>;
  /** Pictures that lie there, with the id that their captions would have. */
  listPictures?(): AsyncIterable<{ id: string; file: string }>;
};

/** The names in a folder, listed once. */
export type Folder = { path: string; files: ReadonlySet<string>; folders: ReadonlySet<string> };

/** @throws DataError where there is no such folder, with its name */
export async function listFolder(path: string): Promise<Folder> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    const reasons: Record<string, string> = {
      ENOENT: 'is not there',
      ENOTDIR: 'is a file, not a folder',
      ELOOP: 'is a link that leads in a circle',
      EACCES: 'cannot be read: there is no permission',
    };
    const why = reasons[error.code ?? ''] ?? `cannot be read: ${error.message}`;
    throw new DataError(`The data folder ${path} ${why}. Pass the folder with captions and pictures.`, {
      cause: error,
    });
  });
  const names = (kind: 'isFile' | 'isDirectory') =>
    // What a link points to shows when it is opened: it counts as both.
    new Set(entries.filter((entry) => entry[kind]() || entry.isSymbolicLink()).map(({ name }) => name));
  return { path, files: names('isFile'), folders: names('isDirectory') };
}

/** The folder itself and those of `names` that lie in it and can be listed. */
export async function withFolders(folder: Folder, names: readonly string[]): Promise<Folder[]> {
  const inside = names.filter((name) => folder.folders.has(name)).map((name) => listFolder(join(folder.path, name)));
  return [folder, ...(await Promise.all(inside))];
}

/** The files of a folder whose names fit, in order, with their paths. */
export function filesNamed({ path, files }: Folder, fits: RegExp): { name: string; path: string }[] {
  return [...files]
    .filter((name) => fits.test(name))
    .sort()
    .map((name) => ({ name, path: join(path, name) }));
}
