import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../core/errors';
import type { Row } from '../../data/layouts/entry';
import {
  isCaptionsCSV,
  isResultsCSV,
  type LineReader,
  parseSplitFile,
  readCaptionsCSV,
  readLines,
  readResultsCSV,
  tokenReader,
} from '../../data/layouts/flickr';
import type { Split } from '../../data/types';
import { decodeUTF8 } from '../../data/utf8';
import { fileLines, firstLine } from '../fileBytes';
import { type Folder, type Layout, type Recognised, withFolders } from '../layout';
import { PictureFolders } from '../pictureFolders';

const tokenFile = 'Flickr8k.token.txt';
const csvFile = 'captions.txt';
const textFolders = ['Flickr8k_text', 'Flickr_TextData'];
const pictureFolders = ['images', 'Images', 'Flicker8k_Dataset', 'Flickr8k_Dataset'];
const splitFiles: Record<Split, string> = {
  train: 'Flickr_8k.trainImages.txt',
  dev: 'Flickr_8k.devImages.txt',
  test: 'Flickr_8k.testImages.txt',
};

/**
 * Flickr8k as its authors distribute it (token file and split files, there or in `Flickr8k_text`) and as on Kaggle
 * (`captions.txt`, mostly without split files). Pictures lie in one of the known folders or directly in this one.
 */
export const flickr8k: Layout = {
  lookedFor: `${tokenFile} (there or in ${textFolders.join(', ')}) or ${csvFile} with the header image,caption`,
  async recognise(folder) {
    const texts = await withFolders(folder, textFolders);
    const ofTokens = texts.find(({ files }) => files.has(tokenFile));
    if (!ofTokens && !(folder.files.has(csvFile) && isCaptionsCSV(await firstLine(join(folder.path, csvFile)))))
      return undefined;
    const splits = await readSplits(texts);
    const found = ofTokens
      ? captionFile('flickr8k', join(ofTokens.path, tokenFile), tokenReader)
      : captionFile('flickr8k-kaggle', join(folder.path, csvFile), () => readCaptionsCSV, true);
    return { ...found(folder, pictureFolders), ...(splits && { splits }) };
  },
};

const flickr30kTokens = /^results(?:_\d+)?\.token$/;
const flickr30kCSV = /^results(?:_\d+)?\.csv$/;
const flickr30kFolders = ['flickr30k-images', 'flickr30k_images', 'Flickr30k_Dataset', 'images', 'Images'];

/** Flickr30k as its authors distribute it (`results_20130124.token`) and as on Kaggle (`results.csv`, often beside the pictures). */
export const flickr30k: Layout = {
  lookedFor: "Flickr30k's results_20130124.token or results.csv with the header image_name| comment_number| comment",
  async recognise(folder) {
    for (const { path, files } of await withFolders(folder, ['flickr30k', ...flickr30kFolders])) {
      const names = [...files].sort();
      const tokens = names.find((name) => flickr30kTokens.test(name));
      if (tokens !== undefined)
        return captionFile('flickr30k', join(path, tokens), tokenReader)(folder, flickr30kFolders);
      const csv = names.find((name) => flickr30kCSV.test(name));
      if (csv !== undefined && isResultsCSV(await firstLine(join(path, csv))))
        return captionFile('flickr30k-kaggle', join(path, csv), () => readResultsCSV, true)(folder, flickr30kFolders);
    }
    return undefined;
  },
};

/** Captions in lines of one file, whose ids are the names of pictures. */
function captionFile(layout: string, file: string, reader: () => LineReader, header = false) {
  return ({ path }: Folder, folders: readonly string[]): Recognised => {
    // The distributed archives nest a folder of pictures in one of the same name, or of the other one.
    const nested = folders.flatMap((outer) => folders.map((inner) => join(outer, inner)));
    const pictures = new PictureFolders(path, [...folders, ...nested, '']);
    return {
      layout,
      because: file,
      pictureFolders: [...folders.map((name) => join(path, name)), path],
      listPictures: () => pictures.list(),
      async *entries(): AsyncGenerator<Row> {
        for await (const row of readLines(fileLines(file), { where: file, read: reader(), header })) {
          if ('problem' in row) {
            yield row;
            continue;
          }
          const found = await pictures.find(row.id);
          yield found === undefined ? row : { ...row, picture: { file: found } };
        }
      },
    };
  };
}

async function readSplits(texts: readonly Folder[]): Promise<Record<Split, string[]> | undefined> {
  const at = (name: string) => texts.find(({ files }) => files.has(name));
  const missing = Object.values(splitFiles).filter((name) => !at(name));
  if (missing.length === 3) return undefined;
  if (missing.length > 0)
    throw new DataError(
      `${texts[0]!.path} has split files but not ${missing.join(', ')}. ` +
        'Add what is missing, or move the others away to split by seed.',
    );
  const read = async (split: Split) => {
    const file = join(at(splitFiles[split])!.path, splitFiles[split]);
    return parseSplitFile(decodeUTF8(await readFile(file), file));
  };
  return { train: await read('train'), dev: await read('dev'), test: await read('test') };
}
