import { Command, Option } from 'commander';
import { DataError } from '../core/errors';
import { Random } from '../core/random';
import { augment } from '../data/augment/augment';
import { parseTransforms } from '../data/augment/named';
import type { Augmentation } from '../data/augment/types';
import { toPixels } from '../data/pixels';
import type { Example, Split } from '../data/types';
import { loadCaptionData } from '../node/captionData';
import { contactSheet, type SheetRow } from '../node/contactSheet';
import { expectFolderOf, wholeFrom, writeOutput } from './shared';

type PreviewOptions = {
  dataPath: string;
  output: string;
  split: Split;
  pictures: number;
  augment: string;
  versions: number;
  seed: number;
};

/** `data preview`: a PNG of some pictures, what augmentation makes of them, and their captions. */
export function previewCommand(): Command {
  return new Command('preview')
    .description('draw a contact sheet: pictures, augmented versions of them, and captions')
    .requiredOption('--data-path <folder>', 'folder with captions and pictures')
    .requiredOption('--output <file>', 'the PNG to write')
    .addOption(new Option('--split <name>', 'which pictures').choices(['train', 'dev', 'test']).default('train'))
    .option('--pictures <number>', 'drawn by the seed', wholeFrom(1), 8)
    .option('--augment <changes>', 'as of train', 'flip,crop,colour,rotate,erase:0.3')
    .option('--versions <number>', 'of each picture', wholeFrom(0), 4)
    .option('--seed <number>', 'of everything random', wholeFrom(0), 0)
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning data preview --data-path flickr8k --output sheet.png
  $ tfjs-captioning data preview --data-path flickr8k --output flips.png --augment flip:1 --versions 1`,
    )
    .action(preview);
}

async function preview(options: PreviewOptions): Promise<void> {
  const { dataPath, output, split, pictures, versions, seed } = options;
  const augmentation = augment(parseTransforms(options.augment));
  expectFolderOf(output);
  const data = (await loadCaptionData(dataPath))[split];
  if (data.size === 0) throw new DataError(`The ${split} split of ${dataPath} has no picture. See data check.`);
  const random = new Random(seed).fork('preview');
  const places = random.shuffle([...data.ids.keys()]).slice(0, pictures);
  const rows: SheetRow[] = [];
  for (const place of places) rows.push(await rowOf(await data.at(place), augmentation, versions, random));
  await writeOutput(output, await contactSheet(rows));
  process.stderr.write(`${rows.length} of ${data.size} pictures in ${output}.\n`);
}

/** A picture and versions of it; the captions of the last that has others are shown too. */
async function rowOf(
  example: Example,
  augmentation: Augmentation,
  versions: number,
  random: Random,
): Promise<SheetRow> {
  const draws = Array.from({ length: versions }, (_, i) =>
    augmentation.apply(example, random.fork(example.id).fork(i).seed),
  );
  const shown = await Promise.all(
    [example, ...draws].map(async (each, i) => ({
      label: i === 0 ? 'as it is' : `version ${i}${each.view === undefined ? ', unchanged' : ''}`,
      image: await toPixels(await each.image()),
    })),
  ).catch((error: Error) => error);
  const captions = example.captions.map((caption) => `- ${caption}`);
  if (shown instanceof Error) return { title: example.id, pictures: [], lines: [shown.message, ...captions] };
  const changed = draws.flatMap(({ captions }, i) =>
    captions.flatMap((caption, c) => (caption === example.captions[c] ? [] : [`version ${i + 1}: ${caption}`])),
  );
  return { title: example.id, pictures: shown, lines: [...captions, ...changed] };
}
