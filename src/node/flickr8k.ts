import { join } from 'node:path';
import { DataError } from '../core/errors';
import { isCaptionsCSV, parseCaptionsCSV, parseSplitFile, parseTokenFile } from '../data/flickr8k';
import type { Split } from '../data/types';
import { type Folder, type Layout, listFolder, readText } from './layout';

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
  async read(folder) {
    const texts = await withFiles(folder, textFolders);
    const ofTokens = texts.find(({ files }) => files.has(tokenFile));
    const captionFile = ofTokens ? await readTokens(ofTokens) : await readCSV(folder);
    if (!captionFile) return undefined;
    const splits = await readSplits(texts);
    return {
      layout: ofTokens ? 'flickr8k' : 'flickr8k-kaggle',
      ...captionFile,
      pictures: await findPictures(folder),
      pictureFolders: [...pictureFolders.map((name) => join(folder.path, name)), folder.path],
      ...(splits && { splits }),
    };
  },
};

async function readTokens({ path }: Folder) {
  return parseTokenFile(await readText(path, tokenFile), join(path, tokenFile));
}

async function readCSV({ path, files }: Folder) {
  if (!files.has(csvFile)) return undefined;
  const text = await readText(path, csvFile);
  return isCaptionsCSV(text) ? parseCaptionsCSV(text, join(path, csvFile)) : undefined;
}

/** The folder itself and those of `names` that lie in it. */
async function withFiles(folder: Folder, names: readonly string[]): Promise<Folder[]> {
  const inside = names.filter((name) => folder.folders.has(name)).map((name) => listFolder(join(folder.path, name)));
  return [folder, ...(await Promise.all(inside))];
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
  const read = async (split: Split) => parseSplitFile(await readText(at(splitFiles[split])!.path, splitFiles[split]));
  return { train: await read('train'), dev: await read('dev'), test: await read('test') };
}

/** Picture files by name. The first folder that has a name counts; the distributed archive nests its two folders. */
async function findPictures(folder: Folder): Promise<Map<string, string>> {
  const outer = (await withFiles(folder, pictureFolders)).slice(1);
  const inner = (await Promise.all(outer.map((each) => withFiles(each, pictureFolders)))).flatMap((all) =>
    all.slice(1),
  );
  const pictures = new Map<string, string>();
  for (const { path, files } of [...outer, ...inner, folder])
    for (const name of [...files].sort())
      if (/\.(?:jpe?g|png|webp|gif|avif|tiff?)$/i.test(name) && !pictures.has(name))
        pictures.set(name, join(path, name));
  return pictures;
}
