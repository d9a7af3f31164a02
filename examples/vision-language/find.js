// Pictures that are found by words: node find.js. The same text is valid TypeScript.
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import {
  adamW,
  ConvEncoder,
  DualEncoder,
  evaluateRetrieval,
  Random,
  selectBackend,
  trainDualEncoder,
  WordTokenizer,
} from 'tfjs-captioning';
import { directory, loadCaptionData, readImage } from 'tfjs-captioning/node';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string', default: 'runs/shapes' },
    epochs: { type: 'string', default: '6' },
    backend: { type: 'string' },
  },
});
const [text = 'a red circle'] = positionals;
await selectBackend(values.backend ? { prefer: /** @type {any} */ (values.backend) } : { threads: 1 });

const data = await loadCaptionData(values.data);
const tokenizer = await WordTokenizer.fromCaptions(data.train.captions(), { minCount: 1 });
const encoder = new ConvEncoder({ type: 'conv', imageSize: 64, channels: [16, 32, 64, 64, 128] }, new Random(7));
const sizes = { embeddingSize: 32, hiddenSize: 64, projectionSize: 32, numHeads: 4 };
const model = DualEncoder.create({ encoder, tokenizer, ...sizes, dropout: 0, seed: 7 });

const steps = trainDualEncoder(model, data.train, {
  optimizer: adamW(2e-3),
  fineTune: { fromEpoch: 1, learningRate: 2e-3 }, // drawings need an encoder of their own
  epochs: Number(values.epochs),
  batchSize: 64,
  seed: 7,
});
for await (const { step, totalSteps, loss, figures } of steps)
  if (step % 20 === 0 || step === totalSteps)
    console.log(
      `step ${step} of ${totalSteps}: loss ${loss.toFixed(3)}, temperature ${figures.temperature?.toFixed(3)}`,
    );

const { pictures, textToImage } = await evaluateRetrieval(model, data.test);
console.log(
  `Of ${pictures} pictures a caption finds its own among the first ten in ${(100 * textToImage['recall@10']).toFixed(0)} % of cases.`,
);

await model.save(directory('runs/finder'));
const restored = await DualEncoder.load(directory('runs/finder'));
const images = await Promise.all(data.test.ids.map((id) => readImage(`${values.data}/images/${id}`)));
const [vectors, asked] = [await restored.embedImages(images), await restored.embedTexts([text])];
const scores = await tf.tidy(() => tf.matMul(asked, vectors, false, true)).data();
const found = data.test.ids.map((id, place) => ({ id, place, score: scores[place] ?? 0 }));
console.log(`${text}:`);
for (const { id, place, score } of found.sort((a, b) => b.score - a.score).slice(0, 3)) {
  const { captions } = await data.test.at(place);
  console.log(`  ${score.toFixed(2)} ${id}, described as: ${captions[0]}`);
}
process.exit(); // threads of a backend would hold it
