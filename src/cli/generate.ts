import { mkdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { Command } from 'commander';
import type { Caption } from '../captioner';
import { DataError, UsageError } from '../core/errors';
import { loadCaptioner } from '../loadCaptioner';
import { attentionPicture } from '../node/attentionPicture';
import { directory } from '../node/directory';
import { listPictures } from './pictures';
import { Progress } from './progress';
import { readOrExplain } from './readPictures';
import { addSearchOptions, type SearchOptions, searchOf } from './searchOptions';
import { abortOnInterrupt, shippedModel, startBackend, wholeFrom, writeOutput } from './shared';

type GenerateOptions = SearchOptions & {
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
    .option('--max-length <number>', 'tokens per caption at most (default: as the captioner was tuned)', wholeFrom(1));
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
  $ tfjs-captioning generate --image-path photo.jpg --attention attention.png`,
    )
    .action(runGenerate);
}

async function runGenerate(options: GenerateOptions): Promise<void> {
  const { json, maxLength, attention } = options;
  if (attention && extname(attention).toLowerCase() !== '.png')
    throw new UsageError(`--attention is ${attention} but should name a .png file.`);
  const paths = await listPictures(options.imagePath);
  searchOf(options); // refuses what does not go together before anything is loaded
  if (attention) await mkdir(dirname(attention), { recursive: true });
  await startBackend();
  const captioner = await loadCaptioner(directory(options.modelPath ?? shippedModel()));
  const search = searchOf(options, captioner);
  const { signal } = abortOnInterrupt('Stopping.');
  const progress = new Progress();
  const results: ({ image: string } & Partial<Caption> & { error?: string })[] = [];
  let failed = 0;
  try {
    for (let start = 0; start < paths.length; start += BATCH) {
      const batch = await Promise.all(paths.slice(start, start + BATCH).map((path) => readOrExplain(path)));
      const read = batch.filter((entry) => 'picture' in entry);
      const captions = await captioner.caption(
        read.map(({ picture }) => picture),
        {
          ...(search && { search }),
          ...(maxLength !== undefined && { maxLength }),
          attention: attention !== undefined,
          signal,
        },
      );
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
      if (paths.length > BATCH) progress.show(`${Math.min(start + BATCH, paths.length)} of ${paths.length} pictures`);
    }
  } finally {
    progress.end();
    captioner.dispose();
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

function describe(path: string, { text, logProbs }: Caption, named: boolean): string {
  const logProb = logProbs.reduce((sum, value) => sum + value, 0);
  return `${named ? `${path}: ` : ''}${text}  (log-probability ${logProb.toFixed(2)})\n`;
}

/** out.png and photos/cat.jpg -> out-cat.png */
function namedFor(file: string, picture: string): string {
  const name = basename(picture, extname(picture)).replace(/[^\w.-]+/g, '_');
  return join(dirname(file), `${basename(file, extname(file))}-${name}.png`);
}
