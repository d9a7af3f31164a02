import { join } from 'node:path';
import { DataError, expectWhole, UsageError } from '../core/errors';
import { Random } from '../core/random';
import { drawSplits, expectShares, type SplitShares, splitOfPicture } from '../data/dataset';
import { type Entry, isProblem, isThere } from '../data/layouts/entry';
import type { WikipediaCaption } from '../data/layouts/wikipedia';
import { ProblemList } from '../data/problems';
import type { CaptionData, Example, Problem, Split } from '../data/types';
import { expectShard } from '../data/walk';
import { CaptionIndex, datasetOfIndex, placeOf, splitNames } from './captionIndex';
import { type Folder, type Layout, listFolder, type Recognised } from './layout';
import { coco, karpathy } from './layouts/coco';
import { flickr8k, flickr30k } from './layouts/flickr';
import { parquet } from './layouts/parquet';
import { csv, jsonLines } from './layouts/tables';
import { webDataset } from './layouts/webDataset';
import { wikipedia } from './layouts/wikipedia';
import { PictureOpener } from './openPicture';
import { PictureCache } from './pictureCache';
import type { PictureThreads } from './pictureThreads';

/** By the names that `layout` takes. */
const layouts = {
  flickr8k,
  flickr30k,
  coco,
  karpathy,
  wikipedia,
  csv,
  jsonl: jsonLines,
  webdataset: webDataset,
  parquet,
};

/** A way in which caption data is distributed. */
export type LayoutName = keyof typeof layouts;
export const layoutNames = Object.keys(layouts) as readonly LayoutName[];

type CommonOptions = {
  /** Which layout to read, where a folder holds several; by default the one that is recognised. */
  layout?: LayoutName;
  /** Draws the splits where the folder does not tell them. */
  seed?: number;
  /** Shares of dev and test; where given, splits are drawn by seed even if the folder tells them. */
  splits?: SplitShares;
  /**
   * `drop` leaves captions without a picture out, as training needs; `keep` keeps them for work on text alone, and
   * their `image()` rejects with a `DataError`.
   */
  missingPictures?: 'drop' | 'keep';
  /** Told each problem when it is found. */
  onProblem?: (problem: Problem) => void;
  /** Where pictures that have an address were downloaded to; by default `downloaded` in the folder. */
  downloads?: string;
  /** Which of Wikipedia's captions to take; by default `caption_reference_description`, the one below the picture. */
  wikipediaCaption?: WikipediaCaption;
  /** Threads that read the pictures, such as those of `pictureThreads()`; by default they are read in this one. */
  threads?: PictureThreads;
};

export type LoadCaptionDataOptions = CommonOptions;

/**
 * Captions with their pictures out of a folder, whose layout is recognised by what lies in it: Flickr8k, Flickr30k, COCO, Karpathy's
 * splits, Wikipedia (WIT and Kaggle), CSV, JSON lines, WebDataset and Parquet. Reads the captions and lists the pictures; a picture
 * is read when asked for.
 *
 * Captions are not held: 32 MiB of them stay in memory and the rest goes to a temporary file, so that a million pictures
 * take some 80 MB.
 *
 * Rows and pictures that cannot be used are left out and counted in `problems`, by name.
 *
 * @throws DataError where the folder is missing, of no known layout or of several, without usable captions or pictures, or where a
 * text file is not in UTF-8
 */
export async function loadCaptionData(path: string, options: LoadCaptionDataOptions = {}): Promise<CaptionData> {
  const { seed = 0, splits, missingPictures = 'drop', onProblem, threads } = options;
  if (splits) expectShares(splits);
  const recognised = await recognise(path, options);
  const problems = new ProblemList(onProblem);
  const index = await readEntries(recognised, problems);
  const captioned = (member: number) => index.captionsOf(member) > 0;
  const count = countWhere(index.size, captioned);
  if (count === 0)
    throw new DataError(
      `${path} was recognised as ${recognised.layout} but has no usable caption` +
        (problems.first ? `: ${problems.first.where} ${problems.first.problem}.` : '. Is the captions file empty?'),
    );

  const report = (where: string, problem: string) => problems.report(where, problem);
  const { splitOf, splitSource, order } = splitsOf(recognised, index, { seed, splits }, report);
  await reportPictures(recognised, index, splitOf, report);
  const usable = (member: number) => captioned(member) && (missingPictures === 'keep' || index.hasPicture(member));
  if (countWhere(index.size, usable) === 0) throw new DataError(noPictures(path, recognised, index, count));

  const opener = new PictureOpener(threads);
  const dataset = (split: Split) => {
    const listed = order?.(split);
    const fits = (member: number) => usable(member) && splitOf(member) === split;
    return datasetOfIndex(
      index,
      listed ? Uint32Array.from(listed).filter(fits) : membersWhere(index.size, fits),
      split,
      opener,
    );
  };
  return {
    layout: recognised.layout,
    train: dataset('train'),
    dev: dataset('dev'),
    test: dataset('test'),
    splitSource,
    found: { captions: index.captions, pictures: count },
    problems: problems.all(),
  };
}

export type StreamCaptionDataOptions = CommonOptions & {
  /** The split to stream; by default `train`. */
  split?: Split;
  /** Take part `index` of `count`, counted from 0, such as for one worker of several: pictures are dealt out in turn. */
  shard?: { index: number; count: number };
  /** Examples to pass over, such as those that were seen before a stop; counted in this split and shard. */
  from?: number;
};

/**
 * The examples of a split one by one, in the order of the files, in constant memory however many there are: for data that is
 * too large for `loadCaptionData`. `shuffled` mixes them. Rows of a picture that do not follow each other come as several examples,
 * always of one split. COCO, and Wikipedia with its pictures in files of their own, have to be indexed first.
 *
 * Splits that the folder does not tell are drawn by the id and the seed, so their shares hold on average.
 *
 * @throws as `loadCaptionData`
 */
export async function* streamCaptionData(
  path: string,
  options: StreamCaptionDataOptions = {},
): AsyncGenerator<Example> {
  const { split = 'train', shard = { index: 0, count: 1 }, from = 0 } = options;
  expectShard(shard);
  expectWhole('from', from, 0);
  let seen = 0;
  let passed = 0;
  for await (const example of inOrder(path, split, options)) {
    if (seen++ % shard.count !== shard.index) continue;
    if (passed++ >= from) yield example;
  }
}

async function* inOrder(path: string, split: Split, options: CommonOptions): AsyncGenerator<Example> {
  const { seed = 0, splits, missingPictures = 'drop', onProblem } = options;
  if (splits) expectShares(splits);
  const recognised = await recognise(path, options);
  if (recognised.scattered || recognised.splits) {
    yield* (await loadCaptionData(path, options))[split];
    return;
  }
  const drawn = { ...(splits ?? { dev: 0.1, test: 0.1 }), random: new Random(seed).fork('split') };
  const opener = new PictureOpener(options.threads);
  for await (const entry of grouped(recognised, onProblem)) {
    const its = (splits === undefined ? entry.split : undefined) ?? splitOfPicture(entry.id, drawn);
    if (its !== split) continue;
    const { id, captions, picture, metadata } = entry;
    if (missingPictures === 'drop' && !(picture && isThere(picture))) {
      onProblem?.({ where: id, problem: 'has captions but no picture' });
      continue;
    }
    const image = opener.image(picture, id);
    yield { id, image, captions: [...captions], split, metadata: { ...metadata, ...(picture && placeOf(picture)) } };
  }
}

/** Entries, those of one picture that follow each other put together. */
async function* grouped({ entries }: Recognised, onProblem?: (problem: Problem) => void): AsyncGenerator<Entry> {
  let group: Entry | undefined;
  for await (const row of entries()) {
    if (isProblem(row)) onProblem?.(row);
    else if (row.id === group?.id) group = { ...row, ...group, captions: [...group.captions, ...row.captions] };
    else {
      if (group) yield group;
      group = row;
    }
  }
  if (group) yield group;
}

/** What lies in a folder, recognised. */
async function recognise(
  path: string,
  { layout, downloads = join(path, 'downloaded'), wikipediaCaption = 'caption_reference_description' }: CommonOptions,
): Promise<Recognised> {
  if (layout !== undefined && !layoutNames.includes(layout))
    throw new UsageError(`There is no layout ${layout}. Name one of ${layoutNames.join(', ')}.`);
  const folder = await listFolder(path);
  const asked: readonly Layout[] = layout === undefined ? Object.values(layouts) : [layouts[layout]];
  const options = { pictures: await PictureCache.open(downloads), wikipediaCaption };
  const found: Recognised[] = [];
  for (const each of asked) {
    const recognised = await each.recognise(folder, options);
    if (recognised) found.push(recognised);
  }
  if (found.length > 1)
    throw new DataError(
      `${path} holds caption data of several layouts: ${found.map(({ layout, because }) => `${layout} (${because})`).join(', ')}. ` +
        'Say which one is meant with layout (--layout), or move the others away.',
    );
  if (found[0]) return found[0];
  throw new DataError(unknownFolder(folder, asked));
}

function unknownFolder({ path, folders, files }: Folder, asked: readonly Layout[]): string {
  const found = [...new Set([...folders, ...files])].sort();
  const some = found.slice(0, 8).join(', ') + (found.length > 8 ? ` and ${found.length - 8} more` : '');
  return (
    `${path} holds no caption data of ${asked.length === 1 ? 'this' : 'a known'} layout. Looked for ${asked.map(({ lookedFor }) => lookedFor).join('; ')}. ` +
    (found.length === 0 ? 'Found an empty folder.' : `Found ${some}.`)
  );
}

async function readEntries(recognised: Recognised, problems: ProblemList): Promise<CaptionIndex> {
  const index = new CaptionIndex();
  for await (const row of recognised.entries()) {
    if (isProblem(row)) {
      problems.report(row.where, row.problem);
      continue;
    }
    const odd = index.add(row);
    if (odd !== undefined) problems.report(row.where, odd);
  }
  return index;
}

type Report = (where: string, problem: string) => void;

/** Which split every picture is in: by split files, else as the rows say, else drawn by seed. */
function splitsOf(
  { splits: listed }: Recognised,
  index: CaptionIndex,
  { seed, splits }: { seed: number; splits: SplitShares | undefined },
  report: Report,
): {
  splitOf: (member: number) => Split | undefined;
  splitSource: CaptionData['splitSource'];
  order?: (split: Split) => number[];
} {
  if (splits === undefined && listed) {
    const checked = checkedSplits(index, listed, report);
    return {
      splitOf: (member) => checked.get(member),
      splitSource: 'files',
      order: (split) => membersOf(index, listed[split]),
    };
  }
  const told = splits === undefined && countWhere(index.size, (member) => index.splitOf(member) !== undefined) > 0;
  if (told) {
    for (const member of membersWhere(index.size, (each) => index.captionsOf(each) > 0 && !index.splitOf(each)))
      report(index.idAt(member), 'is in no split, though others are; it is left out');
    return { splitOf: (member) => index.splitOf(member), splitSource: 'files' };
  }
  const captioned = membersWhere(index.size, (member) => index.captionsOf(member) > 0);
  const drawn = drawSplits(captioned.length, (place) => index.idAt(captioned[place]!), {
    ...(splits ?? { dev: 0.1, test: 0.1 }),
    random: new Random(seed).fork('split'),
  });
  const placeOf = new Uint32Array(index.size);
  for (const [place, member] of captioned.entries()) placeOf[member] = place;
  return { splitOf: (member) => drawn(placeOf[member]!), splitSource: 'seed' };
}

/** The pictures of split files that have captions; each in one split only. */
function checkedSplits(
  index: CaptionIndex,
  splits: Record<Split, readonly string[]>,
  report: Report,
): Map<number, Split> {
  const splitOf = new Map<number, Split>();
  // Test first: a picture that is listed twice must not leak from evaluation into training.
  for (const split of [...splitNames].reverse())
    for (const id of splits[split]) {
      const member = index.indexOf(id);
      const other = member === undefined ? undefined : splitOf.get(member);
      if (member === undefined || index.captionsOf(member) === 0)
        report(id, `is in the ${split} split but has no captions`);
      else if (other) report(id, `is in the ${other} split and again in the ${split} split; it stays in ${other}`);
      else splitOf.set(member, split);
    }
  for (let member = 0; member < index.size; member++)
    if (!splitOf.has(member) && index.captionsOf(member) > 0 && index.hasPicture(member))
      report(index.idAt(member), 'has captions and a picture but is in no split file');
  return splitOf;
}

/** Pictures by their ids, each once, as far as there are such. */
function membersOf(index: CaptionIndex, ids: readonly string[]): number[] {
  return [...new Set(ids.map((id) => index.indexOf(id)))].filter((member) => member !== undefined);
}

async function reportPictures(
  { listPictures }: Recognised,
  index: CaptionIndex,
  splitOf: (member: number) => Split | undefined,
  report: Report,
): Promise<void> {
  let atAddress = 0;
  for (let member = 0; member < index.size; member++) {
    if (index.captionsOf(member) === 0) report(index.idAt(member), 'is a picture without captions');
    else if (index.isAtAddress(member)) atAddress++;
    else if (!index.hasPicture(member))
      report(index.idAt(member), `has captions but no picture${splitOf(member) ? '' : ', and is in no split'}`);
  }
  if (atAddress > 0)
    report(
      `${atAddress} ${atAddress === 1 ? 'picture' : 'pictures'}`,
      'with captions lie at an address and were not downloaded; run: npx tfjs-captioning data download',
    );
  if (!listPictures) return;
  for await (const { id, file } of listPictures())
    if (index.indexOf(id) === undefined) report(file, 'is a picture without captions');
}

function noPictures(path: string, { pictureFolders }: Recognised, index: CaptionIndex, count: number): string {
  const first = membersWhere(index.size, (member) => index.captionsOf(member) > 0)[0]!;
  if (index.isAtAddress(first))
    return (
      `None of the ${count} pictures with captions in ${path} was downloaded to ${pictureFolders.at(-1)}. ` +
      `Run: npx tfjs-captioning data download --data-path ${path}`
    );
  return (
    `None of the ${count} pictures with captions in ${path} is there. ` +
    `Looked in ${pictureFolders.join(', ')}, for names such as ${index.idAt(first)}.`
  );
}

function countWhere(size: number, fits: (member: number) => boolean): number {
  let count = 0;
  for (let member = 0; member < size; member++) if (fits(member)) count++;
  return count;
}

function membersWhere(size: number, fits: (member: number) => boolean): Uint32Array {
  const members = new Uint32Array(countWhere(size, fits));
  let count = 0;
  for (let member = 0; member < size; member++) if (fits(member)) members[count++] = member;
  return members;
}
