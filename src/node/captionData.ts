import { DataError } from '../core/errors';
import { Random } from '../core/random';
import { type CaptionRecord, datasetOf, splitByPicture } from '../data/dataset';
import type { CaptionData, Problem, Split } from '../data/types';
import { flickr8k } from './flickr8k';
import { readImage } from './image';
import { type Annotations, type Layout, listFolder } from './layout';

const layouts: readonly Layout[] = [flickr8k];
const splitNames: readonly Split[] = ['train', 'dev', 'test'];

export type LoadCaptionDataOptions = {
  /** Draws the splits where the folder has no split files. */
  seed?: number;
  /** Shares of dev and test; where given, splits are drawn by seed even if the folder has split files. */
  splits?: { dev: number; test: number };
  /**
   * `drop` leaves captions without a picture out, as training needs; `keep` keeps them for work on text alone, and
   * their `image()` rejects with a `DataError`.
   */
  missingPictures?: 'drop' | 'keep';
  /** Told each problem when it is found; all of them are in the result too. */
  onProblem?: (problem: Problem) => void;
};

/**
 * Captions with their pictures out of a folder, whose layout is recognised by what lies in it: Flickr8k as
 * distributed or as on Kaggle. Reads the captions and lists the pictures; a picture is read when asked for.
 *
 * Rows and pictures that cannot be used are left out and counted in `problems`, by name.
 *
 * @throws DataError where the folder is missing, of no known layout, without usable captions or pictures, or where a
 * text file is not in UTF-8
 */
export async function loadCaptionData(
  path: string,
  { seed = 0, splits, missingPictures = 'drop', onProblem }: LoadCaptionDataOptions = {},
): Promise<CaptionData> {
  const annotations = await recognise(path);
  const problems: Problem[] = [];
  const report = (where: string, problem: string) => {
    problems.push({ where, problem });
    onProblem?.({ where, problem });
  };
  for (const { where, problem } of annotations.problems) report(where, problem);
  if (annotations.captions.size === 0)
    throw new DataError(
      `${path} was recognised as ${annotations.layout} but has no usable caption` +
        (problems[0] ? `: ${problems[0].where} ${problems[0].problem}.` : '. Is the captions file empty?'),
    );

  const fromFiles = splits === undefined ? annotations.splits : undefined;
  const ids = fromFiles
    ? checkedSplits(annotations, fromFiles, report)
    : splitByPicture([...annotations.captions.keys()], {
        ...(splits ?? { dev: 0.1, test: 0.1 }),
        random: new Random(seed).fork('split'),
      });
  const usable = (id: string) => missingPictures === 'keep' || annotations.pictures.has(id);
  for (const id of annotations.captions.keys())
    if (!annotations.pictures.has(id)) report(id, 'has captions but no picture');
  for (const [id, file] of annotations.pictures)
    if (!annotations.captions.has(id)) report(file, 'is a picture without captions');
  if (![...annotations.captions.keys()].some(usable))
    throw new DataError(
      `None of the ${annotations.captions.size} pictures with captions in ${path} is there. ` +
        `Looked in ${annotations.pictureFolders.join(', ')}, for names such as ${[...annotations.captions.keys()][0]}.`,
    );

  const dataset = (split: Split) => datasetOf(recordsOf(annotations, ids[split].filter(usable), split), openPicture);
  return {
    layout: annotations.layout,
    train: dataset('train'),
    dev: dataset('dev'),
    test: dataset('test'),
    splitSource: fromFiles ? 'files' : 'seed',
    problems,
  };
}

async function recognise(path: string): Promise<Annotations> {
  const folder = await listFolder(path);
  for (const layout of layouts) {
    const annotations = await layout.read(folder);
    if (annotations) return annotations;
  }
  const found = [...new Set([...folder.folders, ...folder.files])].sort();
  const some = found.slice(0, 8).join(', ') + (found.length > 8 ? ` and ${found.length - 8} more` : '');
  throw new DataError(
    `${path} holds no caption data of a known layout. Looked for ${layouts.map(({ lookedFor }) => lookedFor).join('; ')}. ` +
      (found.length === 0 ? 'Found an empty folder.' : `Found ${some}.`),
  );
}

/** The ids of the split files that have captions; each picture in one split only. */
function checkedSplits(
  { captions, pictures }: Annotations,
  splits: Record<Split, readonly string[]>,
  report: (where: string, problem: string) => void,
): Record<Split, string[]> {
  const splitOf = new Map<string, Split>();
  // Test first: a picture that is listed twice must not leak from evaluation into training.
  for (const split of [...splitNames].reverse())
    for (const id of splits[split]) {
      const other = splitOf.get(id);
      if (!captions.has(id)) report(id, `is in the ${split} split but has no captions`);
      else if (other) report(id, `is in the ${other} split and again in the ${split} split; it stays in ${other}`);
      else splitOf.set(id, split);
    }
  for (const id of captions.keys())
    if (!splitOf.has(id) && pictures.has(id)) report(id, 'has captions and a picture but is in no split file');
  const idsOf = (split: Split) => [...new Set(splits[split])].filter((id) => splitOf.get(id) === split);
  return { train: idsOf('train'), dev: idsOf('dev'), test: idsOf('test') };
}

type FileRecord = CaptionRecord & { metadata: { file?: string } };

function recordsOf({ captions, pictures }: Annotations, ids: readonly string[], split: Split): FileRecord[] {
  return ids.map((id) => {
    const file = pictures.get(id);
    return { id, captions: captions.get(id)!, split, metadata: file === undefined ? {} : { file } };
  });
}

async function openPicture({ id, metadata: { file } }: FileRecord) {
  if (file !== undefined) return readImage(file);
  throw new DataError(
    `The picture ${id} is not in the data folder. Load with missingPictures: 'drop' to leave it out.`,
  );
}
