import { Command, Option } from 'commander';
import { UsageError } from '../core/errors';
import { directory } from '../node/directory';
import { readImage } from '../node/image';
import { openPretrained } from '../node/pretrained';
import { ImageTextIndex } from '../retrieval/imageTextIndex';
import { loadEmbedder, loadScorer } from '../retrieval/loadEmbedder';
import { type DuplicateGroup, duplicateGroups } from '../retrieval/nearDuplicates';
import { type RerankedResult, rerank } from '../retrieval/rerank';
import type { SearchResult } from '../retrieval/types';
import { rowsOf } from '../retrieval/vectors';
import { Progress } from './progress';
import { abortOnInterrupt, positive, startBackend, wholeFrom } from './shared';

type SearchOptions = {
  index: string;
  text?: string;
  image?: string;
  duplicates?: number;
  top: number;
  modelPath?: string;
  rerank?: string;
  rerankFirst: number;
  json?: true;
};

/** `search`: finds pictures in what `index` made. */
export function searchCommand(): Command {
  return new Command('search')
    .description('find pictures by words, by a picture, or those that are almost the same')
    .requiredOption('--index <folder>', 'what the command index made')
    .option('--text <words>', 'pictures that show this')
    .option('--image <file|address>', 'pictures that are like this one')
    .addOption(
      new Option('--duplicates [cosine]', 'groups of pictures that are almost the same, from this cosine on')
        .argParser(positive)
        .preset('0.95'),
    )
    .option('--top <number>', 'results at most', wholeFrom(1), 10)
    .option('--model-path <folder|id>', 'the model that the index was made with, where it has moved')
    .option('--rerank <folder|id>', 'look at the first results again with BLIP, such as Salesforce/blip-itm-base-coco')
    .option('--rerank-first <number>', 'so many of them', wholeFrom(1), 20)
    .option('--json', 'print JSON and nothing else')
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning search --index holiday-index --text "children on a beach"
  $ tfjs-captioning search --index holiday-index --image photo.jpg --top 5 --json
  $ tfjs-captioning search --index holiday-index --duplicates 0.97`,
    )
    .action(runSearch);
}

async function runSearch(options: SearchOptions): Promise<void> {
  const { text, image, duplicates, json } = options;
  if ([text, image, duplicates].filter((given) => given !== undefined).length !== 1)
    throw new UsageError('Give one of --text, --image and --duplicates: that is what is looked for.');
  if (options.rerank !== undefined && text === undefined)
    throw new UsageError('--rerank reads a text with every picture: it belongs to --text.');
  const { signal } = abortOnInterrupt('Stopping.');
  if (duplicates !== undefined) {
    const groups = await findDuplicates(options.index, duplicates, signal);
    process.stdout.write(json ? print(groups) : describeGroups(groups));
    return;
  }
  const results = await find(options, signal);
  const printed = results.map(({ id, score, match, metadata }) => ({
    image: id,
    score,
    ...(match !== undefined && { match }),
    ...metadata,
  }));
  process.stdout.write(json ? print(printed) : results.map(describe).join(''));
}

async function find(options: SearchOptions, signal: AbortSignal): Promise<RerankedResult[]> {
  const { text, image, top, rerankFirst } = options;
  const picture = image === undefined ? undefined : await readImage(image, { signal });
  const index = await ImageTextIndex.load(directory(options.index));
  const model = options.modelPath ?? index.metadata.model;
  if (typeof model !== 'string')
    throw new UsageError(`${options.index} does not say which model it was made with. Name it: --model-path.`);
  await startBackend();
  const embedder = await loadEmbedder(await openPretrained(model, { signal }));
  let results: SearchResult[];
  try {
    const asked = picture ? embedder.embedImages([picture]) : embedder.embedTexts([text!]);
    const [vector] = await rowsOf(asked);
    const needed = options.rerank === undefined ? top : Math.max(top, rerankFirst);
    results = await index.search({ vector: vector! }, { top: needed });
  } finally {
    embedder.dispose();
  }
  if (options.rerank === undefined) return results;
  const scorer = await loadScorer(await openPretrained(options.rerank, { signal }));
  try {
    const reranked = await rerank(scorer, text!, results, (id) => readImage(id, { signal }), {
      first: rerankFirst,
      signal,
    });
    return reranked.slice(0, top);
  } finally {
    scorer.dispose();
  }
}

async function findDuplicates(folder: string, threshold: number, signal: AbortSignal): Promise<DuplicateGroup[]> {
  const index = await ImageTextIndex.load(directory(folder));
  const progress = new Progress();
  const onProgress = (done: number, total: number) => progress.show(`${done} of ${total} pictures compared`);
  try {
    return await duplicateGroups(index.nearDuplicates({ threshold, signal, onProgress }));
  } finally {
    progress.end();
  }
}

const print = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function describe({ id, score, match, metadata }: RerankedResult): string {
  const caption = typeof metadata?.caption === 'string' ? `  ${metadata.caption}` : '';
  const tags = Array.isArray(metadata?.tags) ? `  [${metadata.tags.join(', ')}]` : '';
  return `${match === undefined ? '' : `${match.toFixed(3)}  `}${score.toFixed(3)}  ${id}${caption}${tags}\n`;
}

/** Groups with an empty line between them, each with its least and its largest cosine. */
function describeGroups(groups: readonly DuplicateGroup[]): string {
  if (groups.length === 0) return 'No two pictures are that much alike.\n';
  return groups
    .map(({ ids, pairs }) => {
      const scores = pairs.map(({ score }) => score);
      const [least, most] = [scores.reduce((a, b) => Math.min(a, b)), scores.reduce((a, b) => Math.max(a, b))];
      const cosines = least === most ? most.toFixed(3) : `${least.toFixed(3)} to ${most.toFixed(3)}`;
      return `${ids.length} pictures, cosine ${cosines}\n${ids.map((id) => `  ${id}\n`).join('')}`;
    })
    .join('\n');
}
