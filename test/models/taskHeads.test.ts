import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { assignParameters } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { datasetOf } from '../../src/data/dataset';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import type { Encoder } from '../../src/encoders/types';
import { memoryStore } from '../../src/io/stores';
import { fromPretrained } from '../../src/models/fromPretrained';
import { TaskHeads } from '../../src/models/taskHeads';
import { textBatch } from '../../src/models/textBatch';
import { directory } from '../../src/node/directory';
import type { ImageTextScorer } from '../../src/retrieval/types';
import { contrastiveLoss } from '../../src/training/contrastiveLoss';
import { gradients } from '../../src/training/gradients';
import { crossEntropy, wordLoss } from '../../src/training/losses';
import { multiTask } from '../../src/training/objectives/multiTask';
import { adamW } from '../../src/training/optimizers';
import { train } from '../../src/training/train';
import { TransformerCaptioner } from '../../src/transformerCaptioner';
import goldens from '../goldens/training/objectives.json';
import { expectClose, expectNoLeak } from '../helpers';
import { tinyCaptioner, tinyPicture, tinyTokenizer } from '../training/tiny';

await tf.setBackend('cpu');

const golden = goldens.heads;
const { sizes } = golden;

/** Gives features of the golden's sizes; nothing is encoded. */
const stub = {
  ...{ config: { type: 'stub' }, grid: [2, 2], featureSize: sizes.featureSize, params: {} },
  dispose: () => {},
} as unknown as Encoder;
const words = ['<pad>', '<start>', '<end>', '<unknown>', ...'abcdefg'];
const letters = WordTokenizer.fromJSON({ words, special: { pad: 0, start: 1, end: 2, unknown: 3 } });
const create = (encoder: Encoder, tokenizer: WordTokenizer) =>
  TransformerCaptioner.create({
    ...{ encoder, tokenizer, hiddenSize: sizes.hiddenSize, numHeads: sizes.numHeads, innerSize: sizes.innerSize },
    ...{ numLayers: 1, encoderLayers: 0, maxPositions: 12, dropout: 0, seed: 2 },
  });

const encoder = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));
afterAll(() => encoder.dispose());

test('guesses, matches, vectors, losses and all gradients are those of PyTorch', async () => {
  const captioner = TransformerCaptioner.create({
    ...{ encoder: stub, tokenizer: letters, hiddenSize: sizes.hiddenSize, numHeads: sizes.numHeads },
    ...{ innerSize: sizes.innerSize, numLayers: 1, encoderLayers: 0, maxPositions: sizes.maxPositions, dropout: 0 },
  });
  const heads = TaskHeads.create(captioner, { tasks: ['mlm', 'itm', 'itc'], projectionSize: sizes.projectionSize });
  type Stored = { shape: number[]; values: number[] };
  const weights = golden.weights as Record<string, Stored>;
  // The golden has no bias of the output layer that speaks.
  const parameters = new Map([...captioner.parameters(), ...heads.parameters()]);
  parameters.delete('decoder.bias');
  assignParameters(
    parameters,
    new Map(Object.entries(weights).map(([name, { shape }]) => [name, shape])),
    (name) => tf.tensor(weights[name]!.values, weights[name]!.shape),
    'the golden',
  );
  const features = tf.tensor3d(golden.features.values, golden.features.shape as [number, number, number]);
  const padding = Float32Array.from(golden.padding.flat());
  const [rows, time] = [3, 6];
  const texts = { rows, time, tokens: Int32Array.from(golden.tokens.flat()), padding };
  const memory = () => captioner.decoder.remember(features);
  const seen: Record<string, tf.Tensor> = {};
  const see = <T extends tf.Tensor>(name: string, tensor: T): T => {
    seen[name] = tf.keep(tf.clone(tensor));
    return tensor;
  };
  const losses: Record<string, () => tf.Scalar> = {
    mlm: () => {
      const read = { ...texts, tokens: Int32Array.from(golden.read.flat()) };
      const hidden = heads.read(read, { memory: memory(), masked: Float32Array.from(golden.masked.flat()) });
      const last = heads.hiddenWords(hidden, tf.tensor1d(golden.places, 'int32'));
      see('guesses', tf.add(tf.matMul(last.hidden, last.output.weight), last.output.bias));
      return wordLoss({ logits: last.hidden, last }, tf.tensor1d(golden.targets, 'int32'));
    },
    itm: () => {
      // Rows of one picture together, as a memory wants them: three pairs of each picture.
      const order = golden.pairs
        .map(([picture], i) => ({ picture: picture!, i }))
        .sort((a, b) => a.picture - b.picture);
      const chosen = order.map(({ i }) => golden.tokens[golden.pairs[i]![1]!]!);
      const lengths = order.map(({ i }) => golden.padding[golden.pairs[i]![1]!]!.filter((pad) => pad === 0).length);
      const batch = textBatch(
        chosen.map((tokens, row) => tokens.slice(0, lengths[row])),
        0,
      );
      const logits = heads.matchLogits(heads.read(batch, { memory: memory() }));
      const back = golden.pairs.map((_, i) => order.findIndex((each) => each.i === i));
      see('match', tf.gather(logits, tf.tensor1d(back, 'int32')));
      return crossEntropy(logits, tf.tensor1d(order.map(({ i }) => golden.labels[i]!), 'int32')); // biome-ignore format: short
    },
    itc: () => {
      const [images, vectors] = [heads.imageVectors(features), heads.textVectors(heads.read(texts))];
      see('images', images);
      see('texts', vectors);
      return contrastiveLoss(images, vectors, heads.params.itc!.logitScale);
    },
  };
  await expectNoLeak(() => {
    for (const [name, loss] of Object.entries(losses)) {
      const found = gradients(loss, parameters);
      // Float32 against float64, through one layer and a head.
      expectClose(found.loss, [golden.losses[name as 'mlm']], 1e-5);
      const expected = golden.gradients[name as 'mlm'] as unknown as Record<string, Stored>;
      expect([...found.grads.keys()]).toEqual(expect.arrayContaining(Object.keys(expected)));
      for (const [key, gradient] of found.grads) {
        const wanted = expected[key]?.values ?? new Float32Array(gradient.size); // PyTorch tells no zeros
        expectClose(gradient, wanted, 3e-5, 1e-4);
      }
      tf.dispose([found.loss, ...found.grads.values()]);
    }
    for (const name of ['guesses', 'match', 'images', 'texts'] as const)
      expectClose(seen[name]!, golden[name].values, 2e-5);
    tf.dispose(seen);
  });
  features.dispose();
  heads.dispose();
  captioner.dispose();
});

test('what is saved is loaded with its captioner, and scores pictures by themselves as together', () =>
  expectNoLeak(async () => {
    const captioner = create(encoder, tinyTokenizer);
    const heads = TaskHeads.create(captioner, { tasks: ['itm'], seed: 5 });
    const store = memoryStore();
    await heads.save(store);
    const restored: ImageTextScorer & TaskHeads = await TaskHeads.load(store, captioner);
    const pictures = [1, 2].map(tinyPicture);
    const scores = await heads.score('a dog runs', pictures);
    expect(scores.every((score) => score > 0 && score < 1)).toBe(true);
    expect(scores[0]).not.toBe(scores[1]);
    expect(await restored.score('a dog runs', pictures)).toEqual(scores);
    const features = await captioner.encode(pictures.slice(0, 1));
    const [alone, other] = await heads.matchProbabilities(features, ['a dog runs', 'a red ball on the grass']);
    expectClose([alone!], [scores[0]!], 1e-6);
    expect(other).not.toBeCloseTo(alone!, 6);
    features.dispose();
    for (const each of [heads, restored, captioner]) each.dispose();
  }));

test('heads of another captioner are refused, and leave nothing behind', async () => {
  const store = memoryStore();
  const captioner = create(encoder, tinyTokenizer);
  const other = TransformerCaptioner.create({ encoder, tokenizer: tinyTokenizer, hiddenSize: 12, numHeads: 2 });
  const heads = TaskHeads.create(other, { tasks: ['mlm'] });
  await heads.save(store);
  await expectNoLeak(() => expect(TaskHeads.load(store, captioner)).rejects.toThrow(DataError));
  await expectNoLeak(() =>
    expect(heads.score('a dog', [tinyPicture(1)])).rejects.toThrow(/no head for itm: these were made for mlm/),
  );
  for (const each of [heads, other, captioner]) each.dispose();
});

test('a captioner without a transformer is wrong use', async () => {
  const captioner = tinyCaptioner();
  await expectNoLeak(() => {
    expect(() => TaskHeads.create(captioner, { tasks: ['mlm'] })).toThrow(UsageError);
  });
  captioner.dispose();
  captioner.encoder.dispose();
});

test('heads go with BLIP as published, whose tokenizer cuts words into pieces', () =>
  expectNoLeak(async () => {
    const store = directory(join(import.meta.dirname, '../goldens/models/blip_caption'));
    const captioner = await fromPretrained(store);
    const heads = TaskHeads.create(captioner, { tasks: ['mlm', 'itm', 'itc'], projectionSize: 4 });
    const data = datasetOf(
      ['a striped cat', 'a rocket at night', 'two dogs'].map((caption, i) => ({
        ...{ id: `${i}`, captions: [caption], split: 'train' as const },
      })),
      async ({ id }) => tinyPicture(Number(id)),
    );
    const optimizer = adamW(1e-3);
    const objective = multiTask({ heads, weights: { caption: 1, mlm: 1, itm: 1, itc: 1 } });
    const options = { objective, optimizer, epochs: 1, batchSize: 3, captionsPerImage: 1, doublyStochastic: 0 };
    for await (const { loss, figures } of train(captioner, data, options)) {
      expect(loss).toBeGreaterThan(0);
      expect(Object.keys(figures).sort()).toEqual(['itc', 'itm', 'mlm']);
    }
    const [probability] = await heads.score('a striped cat', [tinyPicture(0)]);
    expect(probability).toBeGreaterThan(0);
    optimizer.dispose();
    heads.dispose();
    captioner.dispose();
  }));
