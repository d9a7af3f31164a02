// What tasks beside captions change: the same captioner trained on Flickr8k with each objective, from the same seed.
//
//   TFJS_CAPTIONING_BACKEND=tfjs-node npx tsx scripts/compare-objectives.ts caption:3 caption+mlm:0.5+itm:0.5:3
//
// Each argument is an objective and a number of epochs. Prints a row of a table for each: scores on the development split (beam 3)
// and the seconds of processors that the training took, which count what tasks cost.

import { startBackend } from '../src/cli/shared';
import { WordTokenizer } from '../src/data/wordTokenizer';
import { beam } from '../src/decoders/search/beam';
import { TASK_NAMES, TaskHeads } from '../src/models/taskHeads';
import { loadCaptionData } from '../src/node/captionData';
import { loadEncoder } from '../src/node/encoders';
import { defaultFeatureFolder, featureCache } from '../src/node/featureCache';
import { evaluate } from '../src/training/evaluate';
import { multiTask } from '../src/training/objectives/multiTask';
import { parseObjectives } from '../src/training/objectives/parseObjectives';
import { adamW } from '../src/training/optimizers';
import { cosine } from '../src/training/schedules';
import { train } from '../src/training/train';
import { TransformerCaptioner } from '../src/transformerCaptioner';

const SEED = 1;
const folder = process.env.CAPTIONING_DATA ?? '../shared/data';

await startBackend();
const data = await loadCaptionData(`${folder}/flickr8k`);
const encoder = await loadEncoder('efficientnet-lite0', { weights: `${folder}/weights/efficientnet_lite0_224` });
const features = await featureCache(defaultFeatureFolder());
const tokenizer = await WordTokenizer.fromCaptions(data.train.captions(), { minCount: 5 });

const used = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

console.log('| objective | epochs | BLEU-4 | CIDEr | processor seconds |\n|---|---|---|---|---|');
for (const argument of process.argv.slice(2)) {
  const [, objective, epochs] = /^(.+):(\d+)$/.exec(argument) ?? [];
  if (!objective)
    throw new Error(`'${argument}' should be an objective and a number of epochs, such as caption+mlm:3.`);
  const sizes = { hiddenSize: 192, numHeads: 4, numLayers: 2, encoderLayers: 0, dropout: 0.1 };
  const captioner = TransformerCaptioner.create({ encoder, tokenizer, ...sizes, seed: SEED });
  const weights = parseObjectives(objective);
  const tasks = TASK_NAMES.filter((name) => weights[name] !== undefined);
  const heads = TaskHeads.create(captioner, { tasks, seed: SEED });
  const before = used();
  const steps = train(captioner, data.train, {
    ...{
      epochs: Number(epochs),
      batchSize: 32,
      captionsPerImage: 2,
      labelSmoothing: 0.1,
      doublyStochastic: 0,
      seed: SEED,
    },
    optimizer: adamW(1e-3),
    schedule: cosine({ warmup: 100 }),
    objective: multiTask({ weights, heads }),
    features,
  });
  for await (const { step, totalSteps, crossEntropy } of steps)
    if (step % 50 === 0)
      process.stderr.write(`${argument}: step ${step} of ${totalSteps}, loss ${crossEntropy.toFixed(3)}\n`);
  const seconds = used() - before;
  const { corpus } = await evaluate(captioner, data.dev, {
    search: beam({ beamSize: 3 }),
    maxLength: 20,
    metrics: ['bleu', 'cider'],
    features,
  });
  const scores = [corpus['BLEU-4']!, corpus.CIDEr!].map((score) => score.toFixed(4));
  console.log(`| ${[objective, epochs, ...scores, Math.round(seconds)].join(' | ')} |`);
  heads.dispose();
  captioner.dispose();
}
encoder.dispose();
await features.close();
