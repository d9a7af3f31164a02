// A captioner that also learns to guess masked words and to tell which caption fits: node tasks.js. The same text is valid TypeScript.
import { parseArgs } from 'node:util';
import {
  adamW,
  ConvEncoder,
  evaluate,
  greedy,
  multiTask,
  Random,
  rerankCaption,
  sample,
  selectBackend,
  TaskHeads,
  TransformerCaptioner,
  train,
  WordTokenizer,
} from 'tfjs-captioning';
import { directory, loadCaptionData, readImage } from 'tfjs-captioning/node';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: 'runs/shapes' },
    'task-epochs': { type: 'string', default: '4' },
    'caption-epochs': { type: 'string', default: '4' },
    backend: { type: 'string' },
  },
});
// On tensors as small as these, threads wait more than they work.
await selectBackend(values.backend ? { prefer: /** @type {any} */ (values.backend) } : { threads: 1 });

const data = await loadCaptionData(values.data);
const tokenizer = await WordTokenizer.fromCaptions(data.train.captions(), { minCount: 1 });
const encoder = new ConvEncoder({ type: 'conv', imageSize: 64, channels: [16, 32, 64, 64, 128] }, new Random(7));
const sizes = { hiddenSize: 64, numHeads: 4, numLayers: 2, encoderLayers: 0 };
const captioner = TransformerCaptioner.create({ encoder, tokenizer, ...sizes, dropout: 0, seed: 7 });
const heads = TaskHeads.create(captioner, { tasks: ['mlm', 'itm'], seed: 7 });

// First all of it, then captions alone. The heads share every layer of the decoder, and train the encoder too.
const tasks = multiTask({ heads, weights: { caption: 1, mlm: 0.5, itm: 1 } });
await learn(tasks, Number(values['task-epochs']));
await learn(undefined, Number(values['caption-epochs']));

const { corpus } = await evaluate(captioner, data.test, { search: greedy(), metrics: ['bleu', 'cider'] });
console.log(corpus);
await captioner.save(directory('runs/tasks'));
await heads.save(directory('runs/tasks')); // beside the captioner

// Of several captions that are drawn, the one that fits best: said by the head for matching.
const store = directory('runs/tasks');
const restored = await TransformerCaptioner.load(store);
const judge = await TaskHeads.load(store, restored);
for (const place of [0, 1, 2]) {
  const { id } = await data.test.at(place);
  const image = await readImage(`${values.data}/images/${id}`);
  const features = await restored.encode([image]);
  for (const caption of await restored.captionFeatures(features, { search: sample({ samples: 4, seed: place }) })) {
    const judged = await rerankCaption(caption, (texts) => judge.matchProbabilities(features, texts));
    for (const best of judged.slice(0, 1))
      console.log(`${id}: ${best.text} (fits with probability ${best.judged.toFixed(2)})`);
  }
  features.dispose();
}
process.exit(); // threads of a backend would hold it

async function learn(objective, epochs) {
  const steps = train(captioner, data.train, {
    optimizer: adamW(2e-3),
    ...(objective && { objective }),
    fineTune: { fromEpoch: 1, learningRate: 2e-3 },
    epochs,
    batchSize: 16,
    captionsPerImage: 1,
    doublyStochastic: 0,
    seed: 7,
  });
  for await (const { step, totalSteps, crossEntropy, figures } of steps) {
    if (step % 25 !== 0 && step !== totalSteps) continue;
    const told = Object.entries(figures).map(([name, value]) => `, ${name} ${value.toFixed(3)}`);
    console.log(`step ${step} of ${totalSteps}: loss ${crossEntropy.toFixed(3)}${told.join('')}`);
  }
}
