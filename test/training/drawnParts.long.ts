import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawShapes } from '../../examples/drawn-shapes/drawShapes';
import { ATTENTION_NAMES } from '../../src/attention/create';
import { AttentionLSTMCaptioner, type AttentionLSTMCaptionerOptions } from '../../src/attentionLSTMCaptioner';
import type { Captioner } from '../../src/captioner';
import { Random } from '../../src/core/random';
import { datasetOf } from '../../src/data/dataset';
import type { Dataset } from '../../src/data/types';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { greedy } from '../../src/decoders/search/greedy';
import type { Encoder } from '../../src/encoders/types';
import { LSTMCaptioner, type LSTMCaptionerOptions } from '../../src/lstmCaptioner';
import { selectBackend } from '../../src/node/backends';
import { loadCaptionData } from '../../src/node/captionData';
import { captionExamples } from '../../src/training/evaluate';
import type { FeatureCache } from '../../src/training/features';
import { hardAttention } from '../../src/training/hardAttention';
import { adamW } from '../../src/training/optimizers';
import { train } from '../../src/training/train';
import { TransformerCaptioner } from '../../src/transformerCaptioner';

let folder: string;
let seen: Dataset;
let unseen: Dataset;
let tokenizer: WordTokenizer;
const features = memoryCache();

/** Drawings of one shape with their plain sentence alone. */
beforeAll(async () => {
  await selectBackend({ prefer: 'wasm', threads: 1 }); // tensors this small gain nothing from more
  folder = await mkdtemp(join(tmpdir(), 'drawn-'));
  await drawShapes(folder, { pictures: 1000, seed: 7 });
  const data = await loadCaptionData(folder);
  seen = await single(data.train);
  unseen = await single(data.test);
  tokenizer = await WordTokenizer.fromCaptions(seen.captions(), { minCount: 1 });
}, 120_000);
afterAll(() => rm(folder, { recursive: true }));

/**
 * 16 x 16 pixels in a grid of 4 x 4, white being 0, through a layer of random weights: what is to be learned is to look and to speak.
 */
const encoder: Encoder = {
  config: { type: 'patches' },
  preprocessing: { size: [16, 16], resize: 'squash', filter: 'bilinear', mean: 255, scale: -1 / 64 },
  grid: [4, 4],
  featureSize: 64,
  params: {},
  encode(pixels) {
    const patches = tf.transpose(tf.reshape(pixels, [pixels.shape[0], 4, 4, 4, 12]), [0, 1, 3, 2, 4]);
    const mixed = tf.tensor2d(new Random(5).normal(48 * 64), [48, 64]);
    const features = tf.matMul(tf.reshape(patches, [pixels.shape[0] * 16, 48]), mixed);
    return tf.reshape(tf.relu(tf.mul(features, 0.2)), [pixels.shape[0], 16, 64]);
  },
  dispose: () => {},
};

const sizes = { embeddingSize: 32, hiddenSize: 64 };
const course = { captionsPerImage: 1, doublyStochastic: 0, seed: 1 };

async function single(data: Dataset): Promise<Dataset> {
  const records = [];
  for await (const { id, captions, split, image } of data)
    if (!/ above | to the left of /.test(captions[0]!))
      records.push({ id, captions: captions.slice(0, 1), split, pixels: await image() });
  return datasetOf(records, async ({ pixels }) => pixels);
}

/** Keeps the features of the one encoder that there is. */
function memoryCache(): FeatureCache {
  const found = new Map<string, Float32Array>();
  const kept = {
    get: async (picture: string) => found.get(picture),
    put: async (picture: string, features: Float32Array) => {
      found.set(picture, features);
      return features;
    },
  };
  return { of: async () => kept };
}

const common = () => ({ encoder, tokenizer, ...sizes, dropout: 0, seed: 3 });
const attending = (options: Partial<AttentionLSTMCaptionerOptions>) => () =>
  AttentionLSTMCaptioner.create({ ...common(), attentionSize: 32, ...options });
const plain = (options: Partial<LSTMCaptionerOptions>) => () => LSTMCaptioner.create({ ...common(), ...options });

const captioners: [string, () => Captioner & { dispose(): void }][] = [
  ...ATTENTION_NAMES.map((attention): [string, () => AttentionLSTMCaptioner] => [attention, attending({ attention })]),
  ['additive, GRU', attending({ cell: 'gru' })],
  ['Up-Down', attending({ look: 'between' })],
  ['Up-Down, GRU, adaptive', attending({ look: 'between', cell: 'gru', attention: 'adaptive' })],
  ['after, tied', attending({ look: 'after', tied: true, embeddingSize: 64 })],
  ...(['init', 'pre', 'par', 'merge'] as const).map((injection): [string, () => LSTMCaptioner] => [
    `${injection}-inject`,
    plain({ injection }),
  ]),
  ['init-inject, GRU', plain({ injection: 'init', cell: 'gru' })],
  [
    'transformer',
    () => TransformerCaptioner.create({ ...common(), hiddenSize: 32, numHeads: 4, numLayers: 1, encoderLayers: 0 }),
  ],
];

/**
 * Of 120 sentences in about eight tokens each, who does not see the picture cannot do better than ln 120 / 8, 0.6 nats a token, and
 * gets a quarter of the colours and a third of the shapes right.
 */
test.each(captioners)(
  '%s learns to describe drawings that it has not seen',
  { timeout: 300_000 },
  async (name, make) => {
    const captioner = make();
    const objective = name === 'hard' ? hardAttention() : undefined;
    const optimizer = adamW(1e-2);
    let loss = 0;
    // What is told before the first word has to be kept up to the last, which is learned late.
    const epochs = name === 'pre-inject' ? 40 : 14;
    const options = { ...course, optimizer, features, epochs, batchSize: 32, ...(objective && { objective }) };
    for await (const { epoch, crossEntropy, figures } of train(captioner, seen, options)) {
      const said = figures.words ?? crossEntropy; // hard attention learns more than words
      if (epoch === epochs) loss = loss === 0 ? said : 0.5 * (loss + said);
    }
    const right = { colour: 0, shape: 0 };
    const words = { colour: /\b(red|green|blue|yellow)\b/, shape: /\b(circle|square|triangle)\b/ };
    const asked = { search: greedy(), batchSize: 60, features };
    for await (const { example, caption } of captionExamples(captioner, unseen, asked)) {
      const expected = tokenizer.decode(tokenizer.encode(example.captions[0]!));
      for (const kind of ['colour', 'shape'] as const)
        right[kind] += words[kind].exec(caption.text)?.[0] === words[kind].exec(expected)?.[0] ? 1 : 0;
    }
    const [colour, shape] = [right.colour / unseen.size, right.shape / unseen.size];
    expect(loss, 'nats per token').toBeLessThan(0.45);
    expect(colour, 'right colours').toBeGreaterThan(0.8);
    // The mean over positions tells little of the shape with features such as these.
    if (!(captioner instanceof LSTMCaptioner)) expect(shape, 'right shapes').toBeGreaterThan(0.45);
    optimizer.dispose();
    objective?.dispose();
    captioner.dispose();
  },
);
