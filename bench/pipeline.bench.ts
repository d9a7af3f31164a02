// Whether reading, changing and resizing pictures keeps an encoder busy:
// npx tsx bench/pipeline.bench.ts [--data FOLDER] [--pictures 320] [--augment flip,crop,colour] [--threads N]
// With --threads 0 pictures are read in the thread of the encoder.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import type { BackendName } from '../src/backends/types';
import { encodePixels } from '../src/captioner';
import { parseTransforms } from '../src/data/augment/named';
import { ahead, batched } from '../src/data/streams';
import type { Example, PixelImage } from '../src/data/types';
import { augmentThreads } from '../src/node/augmentThreads';
import { selectBackend } from '../src/node/backends';
import { loadCaptionData } from '../src/node/captionData';
import { loadEncoder } from '../src/node/encoders';
import { pictureThreads } from '../src/node/pictureThreads';
import { pixelsOf } from '../src/training/features';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: process.env.CAPTIONING_DATA ?? '../shared/data/flickr8k' },
    pictures: { type: 'string', default: '320' },
    augment: { type: 'string' },
    threads: { type: 'string' },
  },
});
const BATCH = 16;

const folder = await mkdtemp(join(import.meta.dirname, '../node_modules/.pipeline-')); // here packages are found
const outfile = join(folder, 'pictureThread.mjs');
await build({
  ...{ entryPoints: [join(import.meta.dirname, '../src/node/pictureThread.ts')], outfile, packages: 'external' },
  ...{ bundle: true, format: 'esm', platform: 'node', logLevel: 'error' },
});
const count = values.threads === undefined ? undefined : Number(values.threads);
const threads = pictureThreads({
  file: pathToFileURL(count === 0 ? join(folder, 'none.mjs') : outfile),
  ...(count ? { threads: count } : {}),
});
const asked = process.env.TFJS_CAPTIONING_BACKEND as BackendName | undefined;
const backend = await selectBackend(asked ? { prefer: asked } : {});
const encoder = await loadEncoder(join(import.meta.dirname, '../models/flickr8k'));
const { train } = await loadCaptionData(values.data, { threads });
const pictures = Math.min(Number(values.pictures), train.size);
const augmentation = values.augment ? augmentThreads(parseTransforms(values.augment)) : undefined;
const examples = await Promise.all(
  Array.from({ length: pictures }, async (_, i) => {
    const example = await train.at(i);
    return augmentation ? augmentation.apply(example, i) : example;
  }),
);

const read = (example: Example) => pixelsOf(example, encoder);
const encode = async (batch: readonly PixelImage[]): Promise<number> => {
  const started = performance.now();
  const features = encodePixels(encoder, batch);
  await features.data();
  features.dispose();
  return performance.now() - started;
};
const perSecond = (ms: number) => `${((1000 * pictures) / ms).toFixed(1)} pictures a second`;

/** Processor time in ms that this thread has taken, in which no engine can compute; Linux counts it in hundredths of a second. */
const ownTime = async (): Promise<number> => {
  const stat = await readFile(`/proc/self/task/${process.pid}/stat`, 'utf8').catch(() => undefined);
  const [user, system] = stat?.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).map(Number) ?? [];
  return stat ? 10 * (user! + system!) : Number.NaN;
};

const pixels: PixelImage[] = [];
const owned = await ownTime();
let started = performance.now();
for await (const picture of ahead(examples, 2 * BATCH, read)) pixels.push(picture);
const reading = performance.now() - started;
const own = (await ownTime()) - owned;

await encode(pixels.slice(0, BATCH)); // the first run of an engine takes longer
let alone = 0;
for (let first = 0; first < pictures; first += BATCH) alone += await encode(pixels.slice(first, first + BATCH));

started = performance.now();
let busy = 0;
for await (const batch of batched(ahead(examples, 2 * BATCH, read), BATCH)) busy += await encode(batch);
const together = performance.now() - started;

const where = count === 0 ? 'in this thread' : `in ${count ?? 'as many threads as processors, less one,'}`;
console.log(`${backend.name}, ${pictures} pictures, read ${where}${values.augment ? `, ${values.augment}` : ''}`);
console.log(`reading alone: ${perSecond(reading)}; ${(own / pictures).toFixed(1)} ms of the encoder's thread for each`);
console.log(`encoder alone, pixels in memory: ${perSecond(alone)}`);
console.log(`both: ${perSecond(together)}; the encoder computes ${((100 * busy) / together).toFixed(0)} % of the time`);
await threads.close();
encoder.dispose();
await rm(folder, { recursive: true });
