import * as tf from '@tensorflow/tfjs';
import { afterAll, expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { loadParams } from '../../src/core/spec';
import { disposeTree } from '../../src/core/tree';
import type { Tokenizer } from '../../src/data/tokenizer';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { memoryStore } from '../../src/io/stores';
import { DualEncoder, type DualEncoderOptions } from '../../src/models/dualEncoder';
import { type DualEncoderConfig, dualEncoderSpec, imageVectors, textVectors } from '../../src/models/dualEncoderTowers';
import type { ImageTextEmbedder } from '../../src/retrieval/types';
import { contrastiveLoss } from '../../src/training/contrastiveLoss';
import { gradients } from '../../src/training/gradients';
import golden from '../goldens/training/objectives.json';
import { expectClose, expectNoLeak } from '../helpers';
import { tinyPicture, tinyTokenizer } from '../training/tiny';

await tf.setBackend('cpu');

const encoder = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));
afterAll(() => encoder.dispose());
const sizes = { embeddingSize: 3, hiddenSize: 8, numHeads: 2, projectionSize: 6, maxPositions: 7 };
const create = (options: Partial<DualEncoderOptions> = {}) =>
  DualEncoder.create({ encoder, tokenizer: tinyTokenizer, ...sizes, seed: 3, ...options });
const pictures = [1, 2, 3].map(tinyPicture);
const texts = ['a dog runs', 'the cat sits on a red chair with a ball and a man', ''];

test('vectors, loss and every gradient are those of PyTorch', async () => {
  const { weights, features, tokens, padding, images, texts, loss } = golden.dualEncoder;
  const config = golden.dualEncoder.config as DualEncoderConfig;
  type Stored = { shape: number[]; values: number[] };
  const source = (stored: Record<string, Stored>) => ({
    tensors: new Map(Object.entries(stored)),
    read: async (name: string) => Float32Array.from(stored[name]!.values),
    where: 'the golden',
  });
  const spec = dualEncoderSpec(config);
  const params = await loadParams(spec, source(weights), new Random(0));
  const wanted = await loadParams(spec, source(golden.dualEncoder.gradients), new Random(0));
  const given = tf.tensor3d(features.values, features.shape as [number, number, number]);
  const ids = tf.tensor2d(tokens, [6, 6], 'int32');
  const mask = tf.tensor2d(padding, [6, 6]);
  await expectNoLeak(() => {
    let seen: [tf.Tensor, tf.Tensor] | undefined;
    const found = gradients(() => {
      const [a, b] = [imageVectors(params, given), textVectors(params, config, ids, mask)];
      seen = [tf.keep(tf.clone(a)), tf.keep(tf.clone(b))];
      return contrastiveLoss(a, b, params.logitScale);
    }, parametersOf(params));
    // Float32 against float64, through a dozen layers.
    expectClose(seen![0], images.values, 1e-5);
    expectClose(seen![1], texts.values, 1e-5);
    expectClose(found.loss, [loss], 1e-5);
    const expected = parametersOf(wanted);
    expect([...found.grads.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [name, gradient] of found.grads) expectClose(gradient, expected.get(name)!, 2e-5, 1e-4);
    tf.dispose([...seen!, found.loss, ...found.grads.values()]);
  });
  disposeTree(params);
  disposeTree(wanted);
  tf.dispose([given, ids, mask]);
});

test.each([
  ['attention over a transformer', { textLayers: 1 }],
  ['means over a bag of words', { textLayers: 0, pooling: 'mean' }],
] as const)('vectors have length 1, whatever is put through together, with %s', (_, options) =>
  expectNoLeak(async () => {
    const model = create(options);
    const embedder: ImageTextEmbedder = model;
    const [images, read] = [await embedder.embedImages(pictures), await embedder.embedTexts(texts)];
    expect(images.shape).toEqual([3, 6]);
    expect(read.shape).toEqual([3, 6]);
    for (const vectors of [images, read])
      expectClose(
        tf.tidy(() => tf.norm(vectors, 2, 1).dataSync()),
        [1, 1, 1],
        1e-6,
      );
    const alone = await Promise.all(texts.map((text) => embedder.embedTexts([text])));
    expectClose(
      tf.tidy(() => tf.concat(alone).dataSync()),
      read,
      1e-6,
    );
    const none = await embedder.embedTexts([]);
    expect(none.shape).toEqual([0, 6]);
    tf.dispose([images, read, none, ...alone]);
    model.dispose();
  }),
);

test('without layers the order of the words is no matter, with them it is', async () => {
  const distance = async (textLayers: number) => {
    const model = create({ textLayers });
    const [a, b] = [await model.embedTexts(['a dog runs']), await model.embedTexts(['runs a dog'])];
    const [found] = tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync());
    tf.dispose([a, b]);
    model.dispose();
    return found!;
  };
  expect(await distance(0)).toBeLessThan(1e-6);
  expect(await distance(1)).toBeGreaterThan(1e-3);
});

test('what is saved is loaded, encoder and all', () =>
  expectNoLeak(async () => {
    const model = create({ seed: 9, textLayers: 1 });
    const store = memoryStore();
    await model.save(store);
    const restored = await DualEncoder.load(store);
    expect(restored.config).toEqual(model.config);
    const [before, after] = [await model.embedImages(pictures), await restored.embedImages(pictures)];
    expectClose(after, before, 0);
    const [said, again] = [await model.embedTexts(texts), await restored.embedTexts(texts)];
    expectClose(again, said, 0);
    tf.dispose([before, after, said, again]);
    model.dispose();
    restored.dispose();
  }));

test('a tokenizer that is no vocabulary of words is given again', async () => {
  const letters: Tokenizer = {
    ...{ vocabSize: 30, padId: 0, startId: 1, endId: 2, unknownId: 3 },
    encode: (text) => [...text].map((letter) => 4 + (letter.charCodeAt(0) % 26)),
    words: (tokens) => tokens.map(String),
    decode: (tokens) => tokens.join(' '),
  };
  const store = memoryStore();
  await expectNoLeak(async () => {
    const model = create({ tokenizer: letters });
    await model.save(store);
    const restored = await DualEncoder.load(store, { tokenizer: letters });
    restored.dispose();
    model.dispose();
    await expect(DualEncoder.load(store)).rejects.toThrow(/no vocabulary\.json.*\{ tokenizer \}/);
    await expect(DualEncoder.load(store, { tokenizer: tinyTokenizer })).rejects.toThrow(/tokenizer has \d+ entries/);
  });
});

test('weights that do not fit leave nothing behind', async () => {
  const store = memoryStore();
  const [model, other] = [create(), create({ hiddenSize: 10 })];
  await other.save(store);
  const weights = await store.read('model.safetensors');
  await model.save(store);
  await store.write('model.safetensors', weights);
  await expectNoLeak(() => expect(DualEncoder.load(store)).rejects.toThrow(DataError));
  model.dispose();
  other.dispose();
});

test('words begin with the vectors of a file, all at one scale', async () => {
  const model = create();
  const vectors = [
    { word: 'dog', vector: Float32Array.of(2, 0, 0) },
    { word: 'cat', vector: Float32Array.of(0, 0, -1) },
    { word: 'zebra', vector: Float32Array.of(9, 9, 9) }, // in no caption
  ];
  const before = model.params.text.words.arraySync();
  expect(await model.takeWordVectors(vectors)).toBe(2);
  const after = model.params.text.words.arraySync();
  const [dog, cat, runs] = ['dog', 'cat', 'runs'].map((word) => tinyTokenizer.encode(word)[0]!);
  const scale = Math.sqrt(2 / 5); // 5 is the sum of squares, which two words share
  expectClose(after[dog!]!, [2 * scale, 0, 0], 1e-6);
  expectClose(after[cat!]!, [0, 0, -scale], 1e-6);
  expect(after[runs!]).toEqual(before[runs!]);
  await expect(model.takeWordVectors([{ word: 'dog', vector: Float32Array.of(1, 2) }])).rejects.toThrow(
    /'dog' has 2 numbers but embeddingSize is 3/,
  );
  await expectNoLeak(() => model.takeWordVectors(vectors));
  model.dispose();
});

test.each([
  ['heads that do not divide', { numHeads: 3 }, /multiple of numHeads/],
  ['a dropout of all', { dropout: 1 }, /dropout/],
  ['no place for a word', { maxPositions: 2 }, /maxPositions/],
])('%s is wrong use', (_, options, message) =>
  expectNoLeak(() => {
    expect(() => create(options)).toThrow(UsageError);
    expect(() => create(options)).toThrow(message);
  }),
);

test('features of another encoder are refused', () =>
  expectNoLeak(() => {
    const model = create();
    const features = tf.zeros<tf.Rank.R3>([1, 4, 6]);
    expect(() => model.embedFeatures(features)).toThrow(/features has shape \[1,4,6\]/);
    features.dispose();
    model.dispose();
  }));
