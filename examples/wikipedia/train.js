// Captions that know the page that a picture stands on: node train.js. The same text is valid TypeScript.
import { parseArgs } from 'node:util';
import {
  adamW,
  ConvEncoder,
  captionWithMetadata,
  evaluate,
  greedy,
  metadataCaptions,
  metadataPrompted,
  Random,
  selectBackend,
  TransformerCaptioner,
  train,
  WordTokenizer,
} from 'tfjs-captioning';
import { directory, loadCaptionData } from 'tfjs-captioning/node';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: 'runs/pages' },
    epochs: { type: 'string', default: '6' },
    backend: { type: 'string' },
  },
});
// On tensors as small as these, threads wait more than they work.
await selectBackend(values.backend ? { prefer: /** @type {any} */ (values.backend) } : { threads: 1 });

const data = await loadCaptionData(values.data);
// The columns of the tables that are read. A name among them becomes a slot, and so does the same name in a caption.
const metadata = { fields: ['page_title', 'section_title'] };
const tokenizer = await WordTokenizer.fromCaptions(metadataCaptions(data.train, metadata), { minCount: 1 });
const encoder = new ConvEncoder({ type: 'conv', imageSize: 64, channels: [8, 16, 32, 64] }, new Random(7));
const sizes = { hiddenSize: 64, numHeads: 4, numLayers: 2, encoderLayers: 0 };
const captioner = TransformerCaptioner.create({ encoder, tokenizer, metadata, ...sizes, dropout: 0, seed: 7 });

const steps = train(captioner, data.train, {
  optimizer: adamW(2e-3),
  // Three captions of ten are learned as if nothing were known, so that it works without.
  objective: metadataPrompted({ ...metadata, dropRate: 0.3 }),
  fineTune: { fromEpoch: 1, learningRate: 2e-3 }, // drawings need an encoder of their own
  epochs: Number(values.epochs),
  batchSize: 16,
  captionsPerImage: 1,
  doublyStochastic: 0,
  seed: 7,
});
for await (const { step, totalSteps, crossEntropy } of steps)
  if (step % 25 === 0 || step === totalSteps)
    console.log(`step ${step} of ${totalSteps}: loss ${crossEntropy.toFixed(3)}`);

// The pages of the test split are none of those that were learned from. A captioner that was made to read metadata does.
for (const known of [true, false]) {
  const { corpus } = await evaluate(captioner, data.test, { search: greedy(), metrics: ['bleu'], metadata: known });
  console.log(`${known ? 'with' : 'without'} metadata: BLEU-4 ${(corpus['BLEU-4'] ?? 0).toFixed(3)}`);
}

await captioner.save(directory('runs/captioner')); // config.json says what it reads
const restored = await TransformerCaptioner.load(directory('runs/captioner'));
const { image, captions } = await data.test.at(0);
const features = await restored.encode([await image()]);
/** @type {Record<string, unknown>[]} */
const pages = [
  { page_title: 'Zubrowka', section_title: 'Postal history' },
  { page_title: 'New Freedonia', section_title: 'Armed forces' },
  {},
];
console.log(`A picture described as: ${captions[0]}`);
for (const page of pages)
  for (const { text } of await captionWithMetadata(restored, features, [page], { search: greedy() }))
    console.log(`  on the page ${page.page_title ?? 'that nobody knows'}: ${text}`);
features.dispose();
process.exit(); // threads of a backend would hold it
