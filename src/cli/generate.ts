import { mkdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { Command } from 'commander';
import type { Caption, CaptionOptions } from '../captioner';
import { captionWithMetadata, type MetadataList } from '../captioner/captionWithMetadata';
import { DataError, UsageError } from '../core/errors';
import { ahead, batched } from '../data/streams';
import type { PixelImage } from '../data/types';
import { loadCaptioner, type OwnCaptioner } from '../loadCaptioner';
import { attentionPicture } from '../node/attentionPicture';
import { directory } from '../node/directory';
import { pictureThreads } from '../node/pictureThreads';
import { readMetadataFile } from './metadataFile';
import { assignment, type GivenMetadata, metadataFor } from './metadataOptions';
import { listPictures } from './pictures';
import { Progress } from './progress';
import { readOrExplain } from './readPictures';
import { addSearchOptions, type SearchOptions, searchOf } from './searchOptions';
import { abortOnInterrupt, shippedModel, startBackend, wholeFrom, writeOutput } from './shared';

type GenerateOptions = SearchOptions &
  GivenMetadata & {
    imagePath: string[];
    modelPath?: string;
    maxLength?: number;
    json?: true;
    attention?: string;
  };

/** Pictures that are in memory, and in the model, at a time. */
const BATCH = 16;

export function generateCommand(): Command {
  const command = new Command('generate')
    .description('caption pictures')
    .requiredOption('--image-path <file|folder|address...>', 'pictures: files, folders of them, web addresses')
    .option('--model-path <folder>', 'a captioner (default: the one that comes with the package)')
    .option('--max-length <number>', 'tokens per caption at most (default: as the captioner was tuned)', wholeFrom(1))
    .option(
      '--metadata <name=value>',
      'what is known of all pictures, for a captioner of train --metadata, such as "page_title=Eiffel Tower"; may be given again',
      assignment,
    )
    .option(
      '--metadata-file <file>',
      'the same of each picture: CSV, TSV, JSON or JSON lines with a column of pictures',
    );
  return addSearchOptions(command)
    .option('--json', 'print one JSON array and nothing else')
    .option(
      '--attention <file.png>',
      'draw where the model looked at every word; with several pictures their names are added',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning generate --image-path photo.jpg
  $ tfjs-captioning generate --image-path holiday/ --beam-size 5 --json > captions.json
  $ tfjs-captioning generate --image-path photo.jpg --temperature 0.8 --samples 5 --seed 3 --json
  $ tfjs-captioning generate --image-path photo.jpg --beam-size 6 --groups 3 --json
  $ tfjs-captioning generate --image-path photo.jpg --attention attention.png
  $ tfjs-captioning generate --image-path tower.jpg --model-path runs/pages --metadata "page_title=Eiffel Tower"
  $ tfjs-captioning generate --image-path pictures/ --model-path runs/pages --metadata-file pages.csv --json`,
    )
    .action(runGenerate);
}

async function runGenerate(options: GenerateOptions): Promise<void> {
  const { json, maxLength, attention } = options;
  if (attention && extname(attention).toLowerCase() !== '.png')
    throw new UsageError(`--attention is ${attention} but should name a .png file.`);
  const paths = await listPictures(options.imagePath);
  searchOf(options); // refuses what does not go together before anything is loaded
  const table = options.metadataFile === undefined ? undefined : await readMetadataFile(options.metadataFile);
  if (attention) await mkdir(dirname(attention), { recursive: true });
  await startBackend();
  const captioner = await loadCaptioner(directory(options.modelPath ?? shippedModel()));
  const search = searchOf(options, captioner);
  const known = metadataFor(paths, { ...options, ...(table && { table }) }, captioner);
  const { signal } = abortOnInterrupt('Stopping.');
  const threads = pictureThreads();
  const progress = new Progress();
  const results: ({ image: string } & Partial<Caption> & { error?: string })[] = [];
  let failed = 0;
  try {
    // The next pictures are read while these are captioned; what is drawn upon has to have its own size.
    const open = (path: string) => {
      const image = threads.image(() => ({ location: path }), path);
      return attention ? image() : image.fitted(captioner.encoder.preprocessing);
    };
    const read = ahead(paths, 2 * BATCH, (path) => readOrExplain(path, open));
    for await (const batch of batched(read, BATCH)) {
      const done = results.length;
      const there = batch.flatMap((entry, i) => ('picture' in entry ? [{ ...entry, known: known?.[done + i] }] : []));
      const captions = await caption(captioner, there, known !== undefined, {
        ...(search && { search }),
        ...(maxLength !== undefined && { maxLength }),
        attention: attention !== undefined,
        signal,
      });
      let next = 0;
      for (const entry of batch) {
        if (!('picture' in entry)) {
          failed++;
          process.stderr.write(`Warning: ${entry.error}\n`);
          results.push({ image: entry.path, error: entry.error });
          continue;
        }
        const caption = captions[next++]!;
        if (attention)
          await writeOutput(
            paths.length === 1 ? attention : namedFor(attention, entry.path),
            await attentionPicture(entry.picture, caption),
          );
        results.push({ image: entry.path, ...caption });
        if (!json) process.stdout.write(describe(entry.path, caption, paths.length > 1));
      }
      if (paths.length > BATCH) progress.show(`${results.length} of ${paths.length} pictures`);
    }
  } finally {
    progress.end();
    captioner.dispose();
    await threads.close();
  }
  if (json) {
    const printed = results.map(({ image, error, text, words, logProbs, score, alternatives }) =>
      error ? { image, error } : { image, text, words, logProbs, score, ...(alternatives && { alternatives }) },
    );
    process.stdout.write(`${JSON.stringify(printed, null, 2)}\n`);
  }
  if (failed > 0)
    throw new DataError(`${failed} of ${paths.length} pictures could not be captioned; they are named above.`);
}

async function caption(
  captioner: OwnCaptioner,
  read: readonly { picture: PixelImage; known: MetadataList[number] }[],
  withMetadata: boolean,
  options: CaptionOptions,
): Promise<Caption[]> {
  const pictures = read.map(({ picture }) => picture);
  if (!withMetadata || pictures.length === 0) return captioner.caption(pictures, options);
  const features = await captioner.encode(pictures);
  try {
    const metadata = read.map(({ known }) => known);
    return await captionWithMetadata(captioner, features, metadata, options);
  } finally {
    features.dispose();
  }
}

function describe(path: string, { text, logProbs }: Caption, named: boolean): string {
  const logProb = logProbs.reduce((sum, value) => sum + value, 0);
  return `${named ? `${path}: ` : ''}${text}  (log-probability ${logProb.toFixed(2)})\n`;
}

/** out.png and photos/cat.jpg -> out-cat.png */
function namedFor(file: string, picture: string): string {
  const name = basename(picture, extname(picture)).replace(/[^\w.-]+/g, '_');
  return join(dirname(file), `${basename(file, extname(file))}-${name}.png`);
}
