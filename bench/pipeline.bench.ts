// Whether reading, changing and resizing pictures keeps an encoder busy:
// npx tsx bench/pipeline.bench.ts [--data FOLDER] [--pictures 320] [--augment flip,crop,colour] [--threads N]
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import type { BackendName } from '../src/backends/types';
import { encodePixels } from '../src/captioner';
import { parseTransforms } from '../src/data/augment/named';
import { fitPixels } from '../src/data/fit';
import { toPixels } from '../src/data/pixels';
import { ahead, batched } from '../src/data/streams';
import type { Example, PixelImage } from '../src/data/types';
import { augmentThreads } from '../src/node/augmentThreads';
import { selectBackend } from '../src/node/backends';
import { loadCaptionData } from '../src/node/captionData';
import { loadEncoder } from '../src/node/encoders';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: process.env.CAPTIONING_DATA ?? '../shared/data/flickr8k' },
    pictures: { type: 'string', default: '320' },
    augment: { type: 'string' },
    threads: { type: 'string' },
  },
});
const BATCH = 16;
const asked = process.env.TFJS_CAPTIONING_BACKEND as BackendName | undefined;
const backend = await selectBackend(asked ? { prefer: asked } : {});
const encoder = await loadEncoder(join(import.meta.dirname, '../models/flickr8k'));
const { train } = await loadCaptionData(values.data);
const count = Math.min(Number(values.pictures), train.size);
const examples = await Promise.all(Array.from({ length: count }, (_, i) => train.at(i)));

const folder = await mkdtemp(join(tmpdir(), 'pipeline-'));
const outfile = join(folder, 'augmentThread.mjs');
await build({
  ...{ entryPoints: [join(import.meta.dirname, '../src/node/augmentThread.ts')], outfile },
  ...{ bundle: true, format: 'esm', platform: 'node', logLevel: 'error' },
});
const augmentation = values.augment
  ? augmentThreads(parseTransforms(values.augment), {
      file: pathToFileURL(outfile),
      ...(values.threads && { threads: Number(values.threads) }),
    })
  : undefined;

const read = async (example: Example, i: number): Promise<PixelImage> => {
  const seen = augmentation ? augmentation.apply(example, i) : example;
  return fitPixels(await toPixels(await seen.image()), encoder.preprocessing);
};
const encode = async (pictures: readonly PixelImage[]): Promise<number> => {
  const started = performance.now();
  const features = encodePixels(encoder, pictures);
  await features.data();
  features.dispose();
  return performance.now() - started;
};
const perSecond = (ms: number) => `${((1000 * count) / ms).toFixed(1)} pictures a second`;

const numbered = () => examples.map((example, i) => ({ example, i }));
const pixels: PixelImage[] = [];
let started = performance.now();
for await (const picture of ahead(numbered(), 2 * BATCH, ({ example, i }) => read(example, i))) pixels.push(picture);
const reading = performance.now() - started;

await encode(pixels.slice(0, BATCH)); // the first run of an engine takes longer
let alone = 0;
for (let first = 0; first < count; first += BATCH) alone += await encode(pixels.slice(first, first + BATCH));

started = performance.now();
let busy = 0;
for await (const batch of batched(
  ahead(numbered(), 2 * BATCH, ({ example, i }) => read(example, i)),
  BATCH,
))
  busy += await encode(batch);
const together = performance.now() - started;

console.log(`${backend.name}, ${count} pictures${values.augment ? `, ${values.augment}` : ''}`);
console.log(`reading alone: ${perSecond(reading)}`);
console.log(`encoder alone, pixels in memory: ${perSecond(alone)}`);
console.log(`both: ${perSecond(together)}; the encoder computes ${((100 * busy) / together).toFixed(0)} % of the time`);
await augmentation?.close();
encoder.dispose();
await rm(folder, { recursive: true });
