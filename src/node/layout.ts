import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../core/errors';
import type { Problem, Split } from '../data/types';
import { decodeUTF8 } from '../data/utf8';

/** What a folder says about its pictures, before any picture is looked at. */
export type Annotations = {
  /** The layout by name, such as `flickr8k`. */
  layout: string;
  /** Captions by id, in the order of the file. */
  captions: ReadonlyMap<string, readonly string[]>;
  /** Where the picture of an id lies; undefined where it is not there. */
  pictures: ReadonlyMap<string, string>;
  /** Where pictures were looked for, for messages. */
  pictureFolders: readonly string[];
  /** The ids of each split, where the folder says so. */
  splits?: Record<Split, readonly string[]>;
  problems: Problem[];
};

/** One way in which caption data is distributed, recognised by what lies in the folder. */
export type Layout = {
  /** What it takes to be recognised, for the message where nothing was. */
  lookedFor: string;
  /** Undefined where the folder is of another layout. */
  read(folder: Folder): Promise<Annotations | undefined>;
};

/** The names in a folder, listed once. */
export type Folder = { path: string; files: ReadonlySet<string>; folders: ReadonlySet<string> };

/** @throws DataError where there is no such folder, with its name */
export async function listFolder(path: string): Promise<Folder> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    const why =
      error.code === 'ENOENT'
        ? 'is not there'
        : error.code === 'ENOTDIR'
          ? 'is a file, not a folder'
          : `cannot be read: ${error.message}`;
    throw new DataError(`The data folder ${path} ${why}. Pass the folder with captions and pictures.`, {
      cause: error,
    });
  });
  const names = (kind: 'isFile' | 'isDirectory') =>
    // What a link points to shows when it is opened: it counts as both.
    new Set(entries.filter((entry) => entry[kind]() || entry.isSymbolicLink()).map(({ name }) => name));
  return { path, files: names('isFile'), folders: names('isDirectory') };
}

/** A text file in UTF-8. */
export async function readText(...path: string[]): Promise<string> {
  const file = join(...path);
  return decodeUTF8(await readFile(file), file);
}
