import { mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { Dropout } from '../../src/core/dropout';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import type { Dataset } from '../../src/data/types';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { type AttentionLSTMConfig, AttentionLSTMDecoder } from '../../src/decoders/attentionLSTM';
import { float16ToFloat32, float32ToFloat16 } from '../../src/io/float16';
import { selectBackend } from '../../src/node/backends';
import { loadCaptionData } from '../../src/node/captionData';
import { loadEncoder } from '../../src/node/encoders';
import { captionBatch } from '../../src/training/captionBatch';
import { type FeatureReader, featureReader } from '../../src/training/features';
import { clipFactor, gradients } from '../../src/training/gradients';
import { doublyStochastic, linearCrossEntropy } from '../../src/training/losses';
import { adamW } from '../../src/training/optimizers';
import { readPlan, readWeights, seed, writePlan, writeWeights } from './files';
import type { Plan, Work } from './types';

/** Of the captioner in models/flickr8k. */
const recipe = {
  pictures: 20,
  captionsPerImage: 5,
  maxLength: 24,
  minCount: 5,
  embeddingSize: 256,
  hiddenSize: 320,
  attentionSize: 256,
  dropout: 0.4,
  labelSmoothing: 0.1,
  doublyStochastic: 1,
  clipNorm: 5,
  learningRate: 8e-4,
  weightDecay: 0.01,
};

/** A step: rows of the feature file, and their captions as `CaptionBatch` has them. */
type Batch = {
  pictures: number[];
  rows: number;
  time: number;
  inputs: number[];
  targets: number[];
  wanted: number[];
  mask: number[];
};

export type EpochPlan = Plan & {
  recipe: typeof recipe;
  config: AttentionLSTMConfig;
  positions: number;
  /** The file of features, float16. */
  features: string;
  stepsPerEpoch: number;
  batches: Batch[];
};

/**
 * Encodes the pictures of the first steps of an epoch, unless that was done before, and lays out their captions.
 *
 * @param data - the folder with `flickr8k` and `weights`
 * @param steps - all of the epoch without it
 */
export async function prepareEpoch(folder: string, data: string, steps: number | undefined): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { train } = await loadCaptionData(join(data, 'flickr8k'));
  const stepsPerEpoch = Math.ceil(train.size / recipe.pictures);
  const count = Math.min(steps ?? stepsPerEpoch, stepsPerEpoch);
  const random = new Random(7);
  const places = random.fork('order').shuffle(Array.from({ length: train.size }, (_, i) => i));
  const pictures = Math.min(train.size, count * recipe.pictures);

  const encoder = await loadEncoder('mobilenet-v2', { weights: join(data, 'weights/mobilenet_v2_1.0_224') });
  const positions = encoder.grid[0] * encoder.grid[1];
  const features = join(folder, `features-${pictures}.f16`);
  const bytes = pictures * positions * encoder.featureSize * 2;
  if ((await stat(features).catch(() => undefined))?.size !== bytes) {
    await selectBackend();
    await writeFeatures(features, featureReader(encoder), train, places.slice(0, pictures));
  }
  const tokenizer = await WordTokenizer.fromCaptions(train.captions(), { minCount: recipe.minCount });
  const { embeddingSize, hiddenSize, attentionSize } = recipe;
  const config: AttentionLSTMConfig = {
    vocabSize: tokenizer.vocabSize,
    featureSize: encoder.featureSize,
    embeddingSize,
    hiddenSize,
    attentionSize,
    numLayers: 1,
    attentionActivation: 'tanh',
    contextGate: true,
    deepOutput: false,
    initActivation: 'tanh',
  };
  encoder.dispose();
  const decoder = new AttentionLSTMDecoder(config, seed.fork('decoder'));
  await writeWeights(folder, decoder.params);
  decoder.dispose();

  const batches: Batch[] = [];
  for (let first = 0; first < pictures; first += recipe.pictures) {
    const rows = Array.from({ length: Math.min(recipe.pictures, pictures - first) }, (_, i) => first + i);
    const examples = await Promise.all(rows.map((row) => train.at(places[row]!)));
    const captions = examples.flatMap(({ captions }) =>
      Array.from({ length: recipe.captionsPerImage }, (_, i) => tokenizer.encode(captions[i % captions.length]!)),
    );
    const { rows: n, time, inputs, targets, wanted, mask } = captionBatch(captions, tokenizer, recipe.maxLength);
    const numbers = { inputs: [...inputs], targets: [...targets], wanted: [...wanted], mask: [...mask] };
    batches.push({ pictures: rows, rows: n, time, ...numbers });
  }
  const plan: EpochPlan = { kind: 'epoch', recipe, config, positions, features, stepsPerEpoch, batches };
  await writePlan(folder, plan);
}

async function writeFeatures(
  path: string,
  read: FeatureReader,
  data: Dataset,
  places: readonly number[],
): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (let start = 0; start < places.length; start += recipe.pictures) {
      const examples = await Promise.all(places.slice(start, start + recipe.pictures).map((place) => data.at(place)));
      const features = await read(examples);
      await file.writeFile(new Uint8Array(float32ToFloat16(await features.data<'float32'>()).buffer));
      features.dispose();
      process.stderr.write(`\rEncoded ${start + examples.length} of ${places.length} pictures`);
    }
    process.stderr.write('\n');
  } finally {
    await file.close();
  }
}

/** The steps of an epoch, one after the other, each from the file of features to the changed weights. */
export async function epoch(folder: string): Promise<Work> {
  const { positions, config, features: path, batches } = await readPlan<EpochPlan>(folder);
  const decoder = new AttentionLSTMDecoder(config, seed);
  await readWeights(folder, decoder.params);
  const parameters = parametersOf(decoder.params);
  const optimizer = adamW(recipe.learningRate, { weightDecay: recipe.weightDecay });
  const file = await open(path, 'r');
  const size = positions * config.featureSize;

  const featuresOf = async (pictures: readonly number[]) => {
    const halves = new Uint16Array(pictures.length * size);
    await Promise.all(
      pictures.map((row, i) =>
        file.read(new Uint8Array(halves.buffer, i * size * 2, size * 2), 0, size * 2, row * size * 2),
      ),
    );
    return tf.tensor3d(float16ToFloat32(halves), [pictures.length, positions, config.featureSize]);
  };

  /** As `train` does a step, the encoder being frozen. */
  const step = async (batch: Batch, drop: Dropout | undefined, learn: boolean) => {
    const features = await featuresOf(batch.pictures);
    const { loss, grads } = gradients(() => {
      const tokens = tf.tensor2d(batch.inputs, [batch.rows, batch.time], 'int32');
      const wanted = tf.tensor1d(batch.wanted, 'int32');
      const pass = decoder.teacherForced(tokens, decoder.remember(features), { wanted, ...(drop && { drop }) });
      const words = linearCrossEntropy(pass.last!, tf.tensor1d(batch.targets, 'int32'), recipe.labelSmoothing);
      const spread = doublyStochastic(pass.weights!, tf.tensor2d(batch.mask, [batch.rows, batch.time]));
      return tf.add<tf.Scalar>(words, tf.mul(spread, recipe.doublyStochastic));
    }, parameters);
    features.dispose();
    const { norm, factor } = clipFactor(grads, recipe.clipNorm);
    if (learn) optimizer.apply(parameters, grads, () => 1, factor);
    const [[value], [gradientNorm]] = await Promise.all([loss.data(), norm.data()]);
    tf.dispose([loss, norm, factor, ...grads.values()]);
    return { losses: [value!], gradientNorm: [gradientNorm!] };
  };

  let done = 0;
  return {
    async check() {
      return { numbers: await step(batches[0]!, undefined, false) };
    },
    async run() {
      const drop = { rate: recipe.dropout, random: new Random(done) };
      await step(batches[done % batches.length]!, drop, true);
      done++;
    },
  };
}
