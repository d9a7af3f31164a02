import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { DataError, UsageError } from '../core/errors';
import { ahead, batched } from '../data/streams';
import type { PixelImage } from '../data/types';
import type { Store } from '../io/types';
import { loadCaptioner } from '../loadCaptioner';
import { directory } from '../node/directory';
import { openPretrained } from '../node/pretrained';
import { ImageTextIndex } from '../retrieval/imageTextIndex';
import { hasIndex } from '../retrieval/indexFiles';
import { loadEmbedder } from '../retrieval/loadEmbedder';
import { createTagger } from '../retrieval/tags';
import type { ImageTextEmbedder, Metadata } from '../retrieval/types';
import { rowsOf } from '../retrieval/vectors';
import { listPictures } from './pictures';
import { duration, Progress } from './progress';
import { readOrExplain } from './readPictures';
import { abortOnInterrupt, positive, shippedModel, startBackend, wholeFrom } from './shared';

type IndexOptions = {
  imagePath: string[];
  modelPath: string;
  output: string;
  captions?: true;
  captioner?: string;
  tags?: string;
  int8?: true;
  prune?: true;
  batchSize: number;
  saveEvery: number;
};

/** Tags that are kept with a picture. */
const TAGS = 5;

/** `index`: puts pictures into a folder in which `search` finds them. */
export function indexCommand(): Command {
  return new Command('index')
    .description('make pictures searchable by words and by pictures; goes on where it was stopped')
    .requiredOption('--image-path <file|folder|address...>', 'pictures: files, folders of them, web addresses')
    .requiredOption(
      '--model-path <folder|id>',
      'what embeds them: a dual encoder trained here, or CLIP, SigLIP or BLIP as a folder or an id of the Hugging Face hub',
    )
    .requiredOption('--output <folder>', 'the index; pictures that it holds already are left as they are')
    .option('--captions', 'caption the pictures too')
    .option('--captioner <folder>', 'a captioner for --captions (default: the one that comes with the package)')
    .option('--tags <file>', `words, one per line, of which the likeliest ${TAGS} are kept with every picture`)
    .option('--int8', 'keep a byte per number: a quarter of the size, and almost the same results')
    .option('--prune', 'take out pictures whose files are no longer there')
    .option('--batch-size <number>', 'pictures in memory at a time', wholeFrom(1), 16)
    .option('--save-every <minutes>', 'what is done is saved this often', positive, 1)
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning index --image-path holiday/ --model-path openai/clip-vit-base-patch32 --output holiday-index
  $ tfjs-captioning index --image-path photos/* --model-path runs/dual-encoder --output archive --captions --int8`,
    )
    .action(runIndex);
}

/** What is kept with pictures: of each its caption and tags, where they are asked for. */
type Describe = (pictures: readonly PixelImage[]) => Promise<Metadata[]>;

async function runIndex(options: IndexOptions): Promise<void> {
  const { captions, captioner, int8, output } = options;
  if (captioner !== undefined && !captions) throw new UsageError('--captioner belongs to --captions: give both.');
  const words = options.tags === undefined ? [] : await readTags(options.tags);
  const found = new Set((await listPictures(options.imagePath)).map(nameOf));
  const store = directory(output);
  const model = await sourceName(options.modelPath);
  const known = (await hasIndex(store)) ? await ImageTextIndex.load(store) : undefined;
  if (known) expectSame(known, { model, int8: int8 === true, output });
  const index = known ?? new ImageTextIndex({ type: int8 ? 'int8' : 'float32', metadata: { model } });
  const pruned = options.prune ? await prune(index) : 0;
  const wanted = [...(captions ? ['caption'] : []), ...(words.length > 0 ? ['tags'] : [])];
  const isDone = (id: string) => index.has(id) && wanted.every((key) => index.get(id)!.metadata?.[key] !== undefined);
  const todo = [...found].filter((id) => !isDone(id));
  const { signal } = abortOnInterrupt('Stopping; what is done is being saved.');
  let unreadable = 0;
  if (todo.length > 0) {
    await startBackend();
    const embedder = await loadEmbedder(await openPretrained(options.modelPath, { signal }));
    const speaker = captions ? await loadCaptioner(directory(captioner ?? shippedModel())) : undefined;
    const tagger = words.length > 0 ? await createTagger(embedder, words) : undefined;
    const describe: Describe = async (pictures) => {
      const texts = await speaker?.caption(pictures, { signal });
      const tags = await tagger?.(pictures, { top: TAGS });
      return pictures.map((_, i) => ({
        ...(texts && { caption: texts[i]!.text }),
        ...(tags && { tags: tags[i]!.map(({ tag }) => tag) }),
      }));
    };
    try {
      unreadable = await fill(index, todo, { embedder, describe, store, signal, ...options });
    } finally {
      embedder.dispose();
      speaker?.dispose();
    }
  } else if (pruned > 0 || !known) await index.save(store);
  const lost = unreadable > 0 ? `; ${unreadable} of ${found.size} could not be read and are named above` : '';
  const gone = pruned > 0 ? `; ${pruned} that are gone were taken out` : '';
  process.stdout.write(`${output} holds ${index.count} pictures${lost}${gone}.\n`);
}

/** Embeds and describes pictures, and saves now and then, and at the end, however it comes. @returns how many could not be read */
async function fill(
  index: ImageTextIndex,
  todo: readonly string[],
  { embedder, describe, store, signal, batchSize, saveEvery }: Filling,
): Promise<number> {
  const progress = new Progress();
  const started = performance.now();
  let saved = started;
  let [done, unreadable] = [0, 0];
  try {
    for await (const batch of batched(ahead(todo, batchSize, readOrExplain), batchSize)) {
      signal.throwIfAborted();
      for (const read of batch)
        if ('error' in read) {
          unreadable++;
          progress.end();
          process.stderr.write(`Warning: ${read.error}\n`);
        }
      await take(
        index,
        batch.filter((read) => 'picture' in read),
        { embedder, describe },
      );
      done += batch.length;
      const now = performance.now();
      const left = ((now - started) / 1000 / done) * (todo.length - done);
      progress.show(`${done} of ${todo.length} pictures, ${duration(left)} left`);
      if (now - saved < saveEvery * 60_000) continue;
      await index.save(store);
      saved = now;
    }
  } finally {
    progress.end();
    await index.save(store);
  }
  return unreadable;
}

type Taking = { embedder: ImageTextEmbedder; describe: Describe };
type Filling = Taking & Pick<IndexOptions, 'batchSize' | 'saveEvery'> & { store: Store; signal: AbortSignal };

/** Adds pictures, or what is to be said of those that the index has. */
async function take(
  index: ImageTextIndex,
  read: readonly { path: string; picture: PixelImage }[],
  { embedder, describe }: Taking,
): Promise<void> {
  if (read.length === 0) return;
  const said = await describe(read.map(({ picture }) => picture));
  const unknown = read.flatMap((one, i) => (index.has(one.path) ? [] : [{ ...one, metadata: said[i]! }]));
  for (const [i, { path }] of read.entries())
    if (index.has(path)) index.annotate(path, { ...index.get(path)!.metadata, ...said[i]! });
  if (unknown.length === 0) return;
  const vectors = await rowsOf(embedder.embedImages(unknown.map(({ picture }) => picture)));
  await index.add(unknown.map(({ path, metadata }, i) => ({ id: path, vector: vectors[i]!, metadata })));
}

const isAddress = (path: string) => /^https?:\/\//i.test(path);

/** The same wherever the command is run. */
const nameOf = (path: string) => (isAddress(path) ? path : resolve(path));

/** A folder by its whole path; what is none by itself. */
async function sourceName(source: string): Promise<string> {
  return (await stat(source).catch(() => undefined))?.isDirectory() ? resolve(source) : source;
}

function expectSame(
  index: ImageTextIndex,
  { model, int8, output }: { model: string; int8: boolean; output: string },
): void {
  if (index.metadata.model !== model)
    throw new UsageError(
      `${output} holds an index made with ${index.metadata.model}; vectors of ${model} cannot be compared with it. Use that model, or another folder.`,
    );
  if (int8 && index.type !== 'int8')
    throw new UsageError(`${output} holds an index of float32. Leave --int8 out, or use another folder.`);
}

async function prune(index: ImageTextIndex): Promise<number> {
  const files = index.ids.filter((id) => !isAddress(id));
  const there = await Promise.all(
    files.map((file) =>
      stat(file).then(
        () => true,
        () => false,
      ),
    ),
  );
  const gone = files.filter((_, i) => !there[i]);
  index.remove(gone);
  return gone.length;
}

async function readTags(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new DataError(`The tags in ${file} cannot be read: ${cause.message}.`, { cause });
  });
  const words = new Set(text.split(/\r?\n/).map((line) => line.trim()));
  words.delete('');
  if (words.size === 0) throw new DataError(`${file} holds no tags. Write one on each line.`);
  return [...words];
}
