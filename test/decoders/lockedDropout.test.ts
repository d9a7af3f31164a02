import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { recurrentStep } from '../../src/core/recurrent';
import { AttentionLSTMDecoder } from '../../src/decoders/attentionLSTM';
import { LSTMDecoder } from '../../src/decoders/lstm';
import { gradients } from '../../src/training/gradients';
import { train } from '../../src/training/train';
import { expectClose, expectNoLeak } from '../helpers';
import { dispose, tinyCaptioner, tinyData } from '../training/tiny';

await tf.setBackend('cpu');

const [rows, time, size, rate] = [3, 5, 6, 0.4];
const random = new Random(8);
const tokens = tf.tensor2d(
  random
    .fork('tokens')
    .uniform(rows * time)
    .map((u) => Math.floor(u * 9)),
  [rows, time],
  'int32',
);
const features = tf.tensor3d(random.fork('features').normal(rows * 2 * 4), [rows, 2, 4]);

/** What the caption of each row is multiplied by, at every word: drawn here, apart from the code that is tested. */
const maskOf = (name: string) =>
  tf.tensor2d(
    Array.from({ length: rows }, (_, row) => [
      ...random
        .fork(name)
        .fork(row)
        .uniform(size)
        .map((u) => (u < rate ? 0 : 1 / (1 - rate))),
    ]),
  );

test.each(['lstm', 'gru'] as const)('locked, a caption keeps its masks from word to word: %s', async (cell) => {
  const config = { vocabSize: 9, featureSize: 4, embeddingSize: size, hiddenSize: size, numLayers: 2 } as const;
  const decoder = new LSTMDecoder({ ...config, cell, injection: 'init', tied: false }, new Random(1));
  const { params } = decoder;
  const weights = tf.tensor2d(random.fork('weights').normal(rows * time * 9), [rows * time, 9]);
  const wordByWord = () => {
    const memory = decoder.remember(features);
    let [below, above] = decoder.initialState(memory);
    const layers = params[cell]!;
    const hidden = Array.from({ length: time }, (_, t) => {
      const word = tf.gather(params.embedding, tf.squeeze(tf.slice(tokens, [0, t], [rows, 1]), [1]) as tf.Tensor1D);
      below = recurrentStep(layers[0]!, tf.mul(word, maskOf('words')), below!);
      above = recurrentStep(layers[1]!, tf.mul(below.hidden, maskOf('layer1')), above!);
      return tf.mul(above.hidden, maskOf('hidden'));
    });
    const all = tf.reshape(tf.stack(hidden, 1), [rows * time, size]);
    return tf.add<tf.Tensor2D>(tf.matMul(all, params.output.weight!), params.output.bias);
  };
  // The mean of the features is dropped too, which is no matter of time: it is left whole here.
  const atOnce = () =>
    decoder.teacherForced(tokens, decoder.remember(features), { drop: { rate, random, locked: true } }).logits;
  const learned = (logits: () => tf.Tensor2D) =>
    gradients(() => tf.sum(tf.mul(logits(), weights)), parametersOf(params));
  await expectNoLeak(() =>
    tf.tidy(() => {
      expectClose(atOnce(), wordByWord(), 1e-6);
      const [found, expected] = [learned(atOnce), learned(wordByWord)];
      expect([...found.grads.keys()].sort()).toEqual([...expected.grads.keys()].sort());
      // Sums of some 15 products of numbers around 1, in another order.
      for (const [name, gradient] of expected.grads) expectClose(found.grads.get(name)!, gradient, 1e-5);
    }),
  );
  tf.dispose(weights);
  decoder.dispose();
});

test('without it masks differ from word to word', () => {
  const config = { vocabSize: 9, featureSize: 4, embeddingSize: size, hiddenSize: size, attentionSize: 5 };
  const decoder = new AttentionLSTMDecoder(
    { ...config, numLayers: 1 } as AttentionLSTMDecoder['config'],
    new Random(1),
  );
  tf.tidy(() => {
    const [locked, free] = [true, false].map((each) =>
      decoder
        .teacherForced(tokens, decoder.remember(features), { drop: { rate, random, locked: each } })
        .logits.dataSync(),
    );
    expect(locked).not.toEqual(free);
  });
  decoder.dispose();
});

test('train takes it, has the same when it goes on, and refuses what has no time steps', async () => {
  const losses = async (lockedDropout: boolean) => {
    const captioner = tinyCaptioner();
    const found: number[] = [];
    for await (const { loss } of train(captioner, tinyData, { epochs: 1, batchSize: 2, lockedDropout }))
      found.push(loss);
    dispose(captioner);
    return found;
  };
  expect(await losses(true)).toEqual(await losses(true));
  expect(await losses(true)).not.toEqual(await losses(false));
  const captioner = tinyCaptioner();
  const unaware = Object.assign(Object.create(captioner), {
    decoder: Object.assign(Object.create(captioner.decoder), { locksDropout: undefined }),
  });
  await expect(train(unaware, tinyData, { lockedDropout: true }).next()).rejects.toThrow(
    'lockedDropout belongs to recurrent captioners',
  );
  dispose(captioner);
});
