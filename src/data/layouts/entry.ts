import type { Split } from '../types';

/** Where the bytes of a picture are; plain data, so that it can be kept on disk until it is asked for. */
export type PictureSource =
  /** With the address that it was downloaded from, where it was. */
  | { file: string; url?: string }
  /** A part of a file, such as a member of a tar. */
  | { file: string; offset: number; length: number }
  /** As base64 text in a part of a file. */
  | { file: string; offset: number; length: number; encoding: 'base64' }
  /** A row of a Parquet file. */
  | { file: string; row: number; column: string }
  | { url: string }
  /** In the caption file itself. */
  | { base64: string };

/** Whether a picture lies here, and not only at an address. */
export function isThere(picture: PictureSource): picture is Exclude<PictureSource, { url: string; file?: never }> {
  return 'file' in picture || 'base64' in picture;
}

/** A picture and captions of it, as a row of a caption file or several in a row tell them. */
export type Entry = {
  id: string;
  captions: readonly string[];
  /** Where the row was, for messages. */
  where: string;
  split?: Split;
  /** Absent where the picture is not there. */
  picture?: PictureSource;
  /** What else is told about the picture. */
  metadata?: Record<string, unknown>;
  /** What else is told about each caption: as many as there are captions. */
  captionMetadata?: readonly Record<string, unknown>[];
};

/** What a file gives row by row: an entry, or what is wrong with the row. */
export type Row<T = Entry> = T | { where: string; problem: string };

export function isProblem<T extends object>(row: Row<T>): row is { where: string; problem: string } {
  return 'problem' in row;
}

const words: Record<string, Split> = {
  train: 'train',
  training: 'train',
  // Karpathy's: what the official validation split has beyond his; everybody trains on it.
  restval: 'train',
  val: 'dev',
  valid: 'dev',
  validation: 'dev',
  dev: 'dev',
  test: 'test',
  testing: 'test',
};

/** The split that a word such as `val` or `restval` means; undefined where it means none. */
export function splitOfWord(word: string): Split | undefined {
  return words[word.trim().toLowerCase()];
}

/** The split that the name of a file says, such as `wit_v1.val.all-00000-of-00005.tsv.gz` or `captions_train2017.json`. */
export function splitOfFileName(name: string): Split | undefined {
  const found = name
    .toLowerCase()
    .split(/[^a-z]+/)
    .map((word) => words[word])
    .filter((split) => split !== undefined);
  return new Set(found).size === 1 ? found[0] : undefined;
}
