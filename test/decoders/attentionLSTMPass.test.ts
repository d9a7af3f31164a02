import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import {
  type AttentionLSTMConfig,
  AttentionLSTMDecoder,
  type TeacherForcedOptions,
} from '../../src/decoders/attentionLSTM';
import { captionBatch } from '../../src/training/captionBatch';
import { gradients } from '../../src/training/gradients';
import { crossEntropy, doublyStochastic } from '../../src/training/losses';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const sizes = { vocabSize: 11, featureSize: 6, embeddingSize: 5, hiddenSize: 4, attentionSize: 7 };

/** Lengths such that captions end one by one, whole images early, and the longest stand neither first nor last. */
const captionLengths: Record<number, number[]> = {
  1: [2, 7, 1, 4, 9, 2],
  3: [1, 3, 2, 5, 9, 1, 2, 2, 1, 6, 4, 7],
};

type Case = {
  config: AttentionLSTMConfig;
  /** So few that features go through the gates' weights before attention, where nothing else reads contexts; or many. */
  positions: 3 | 60;
  perImage: number;
  wanted: 'captions' | 'some' | 'all';
  masked: boolean;
  rate: number;
  locked: boolean;
  /** Weight of the attention's own term in the loss. */
  spread: number;
};

const grid = [1, 3].flatMap((perImage) =>
  (['tanh', 'relu'] as const).flatMap((attentionActivation) =>
    [1, 2].flatMap((numLayers) =>
      [false, true].flatMap((contextGate) =>
        [false, true].map((deepOutput, i): Case => {
          // The other choices are spread over the grid.
          const pick = perImage + numLayers + (contextGate ? 1 : 0) + i + (attentionActivation === 'tanh' ? 1 : 0);
          return {
            config: {
              ...sizes,
              numLayers,
              attentionActivation,
              contextGate,
              deepOutput,
              initActivation: pick % 2 === 0 ? 'tanh' : 'none',
            },
            positions: 3,
            perImage,
            wanted: (['captions', 'some', 'all'] as const)[pick % 3]!,
            masked: pick % 2 === 1,
            rate: contextGate === deepOutput ? 0 : 0.4,
            locked: pick % 2 === 0,
            spread: pick % 4 === 0 ? 0 : 1.5,
          };
        }),
      ),
    ),
  ),
);

const cases = [
  ...grid,
  ...grid
    .filter(({ config }) => !config.contextGate && !config.deepOutput)
    .map((stored): Case => ({ ...stored, positions: 60 })),
];

const random = new Random(5);
const tensorOf = <R extends tf.Rank>(shape: tf.ShapeMap[R], name: string) =>
  tf.tensor<R>(random.fork(name).normal(tf.util.sizeFromShape(shape as number[])), shape);

function inputsOf({ perImage, masked, wanted: which, config, positions }: Case) {
  const lengths = captionLengths[perImage]!;
  const words = lengths.map((length, row) =>
    [...random.fork(row).uniform(length)].map((u) => 3 + Math.floor(u * (config.vocabSize - 3))),
  );
  const batch = captionBatch(words, { startId: 1, endId: 2, padId: 0 });
  const { rows, time } = batch;
  // Every other place of the captions, the last one first; all of them but for the first caption, which is not wanted at all.
  const some = batch.wanted.filter((place, i) => i % 2 === 0 && place >= time).reverse();
  const wanted = which === 'all' ? undefined : which === 'some' ? some : batch.wanted;
  const images = rows / perImage;
  const mask = Float32Array.from({ length: images * positions }, (_, i) => (i % 4 === 1 ? 1 : 0));
  return {
    tokens: tf.tensor2d(batch.inputs, [rows, time], 'int32'),
    mask: tf.tensor2d(batch.mask, [rows, time]),
    features: tensorOf<tf.Rank.R3>([images, positions, config.featureSize], 'features'),
    keyPaddingMask: masked ? tf.tensor2d(mask, [images, positions]) : undefined,
    wanted: wanted && tf.tensor1d(wanted, 'int32'),
    /** A caption's places after the last one that is wanted. */
    ended: Array.from({ length: rows * time }, (_, place) => {
      const row = Math.floor(place / time);
      return wanted !== undefined && !wanted.some((other) => Math.floor(other / time) === row && other >= place);
    }),
  };
}

/** Values and all gradients, those of the features among them. */
function run(decoder: AttentionLSTMDecoder, stored: Case, fused: boolean) {
  const { tokens, mask, features, keyPaddingMask, wanted, ended } = inputsOf(stored);
  const seen = tf.variable(features) as tf.Tensor as tf.Tensor3D;
  const parameters = new Map([...parametersOf(decoder.params), ['features', seen as tf.Tensor as tf.Variable]]);
  const options: TeacherForcedOptions = {
    fused,
    ...(wanted && { wanted }),
    ...(stored.rate > 0 && { drop: { rate: stored.rate, random: new Random(9), locked: stored.locked } }),
  };
  const counted = tf.tensor(
    ended.map((e) => (e ? 0 : 1)),
    [...mask.shape, 1],
  );
  const pass = () => {
    const found = decoder.teacherForced(
      tokens,
      { ...decoder.remember(seen), ...(keyPaddingMask && { keyPaddingMask }) },
      options,
    );
    return { ...found, weights: tf.mul<tf.Tensor3D>(found.weights!, counted) };
  };
  const { logits, weights } = pass();
  const { loss, grads } = gradients(() => {
    const found = pass();
    const targets = tf.tensor1d(
      Int32Array.from({ length: logits.shape[0] }, (_, i) => i % 11),
      'int32',
    );
    const words = crossEntropy(found.logits, targets);
    if (stored.spread === 0) return words;
    return tf.add<tf.Scalar>(words, tf.mul(doublyStochastic(found.weights, mask), stored.spread));
  }, parameters);
  (seen as tf.Tensor as tf.Variable).dispose();
  return { logits, weights, loss, grads };
}

/** Largest difference relative to the largest number of the tensor; the gradient of the score's bias is truly zero. */
function expectSame(found: tf.Tensor, expected: tf.Tensor, tolerance: number): void {
  expect(found.shape).toEqual(expected.shape);
  expectClose(found, expected, 5e-7 + tolerance * tf.max(tf.abs(expected)).dataSync()[0]!);
}

const nameOf = ({ config, positions, perImage, wanted, masked, rate, spread }: Case) =>
  [
    `${positions} positions`,
    `${perImage} per image`,
    config.attentionActivation,
    `${config.numLayers} layers`,
    config.contextGate ? 'gate' : 'no gate',
    config.deepOutput ? 'deep output' : 'plain output',
    `${wanted} wanted`,
    masked ? 'masked' : 'unmasked',
    `dropout ${rate}`,
    `doubly stochastic ${spread}`,
  ].join(', ');

describe('the fused pass is the plain one', () => {
  test.each(cases.map((stored) => ({ name: nameOf(stored), stored })))('$name', ({ stored }) => {
    const decoder = new AttentionLSTMDecoder(stored.config, new Random(3));
    return expectNoLeak(() => {
      tf.tidy(() => {
        const [fused, plain] = [run(decoder, stored, true), run(decoder, stored, false)];
        expectSame(fused.logits, plain.logits, 1e-5);
        expectSame(fused.weights, plain.weights, 1e-5);
        expectSame(fused.loss, plain.loss, 1e-5);
        expect([...fused.grads.keys()].sort()).toEqual([...plain.grads.keys()].sort());
        for (const [name, gradient] of fused.grads) expectSame(gradient, plain.grads.get(name)!, 1e-5);
      });
    }).finally(() => decoder.dispose());
  });
});

test('weights are zero after the last place that is wanted of a caption', () => {
  const stored = cases.find(({ wanted, perImage }) => wanted === 'captions' && perImage === 3)!;
  const decoder = new AttentionLSTMDecoder(stored.config, new Random(3));
  tf.tidy(() => {
    const { tokens, features, wanted, ended } = inputsOf(stored);
    const { weights } = decoder.teacherForced(tokens, decoder.remember(features), { wanted: wanted! });
    const sums = tf.sum(weights!, 2).dataSync();
    expectClose(
      sums,
      ended.map((e) => (e ? 0 : 1)),
      1e-6,
    );
  });
  decoder.dispose();
});

test.each(['forward', 'backward'])('an error in the %s pass leaves nothing behind', (where) => {
  const stored = cases.find(({ config, perImage }) => config.deepOutput && perImage === 3)!;
  const decoder = new AttentionLSTMDecoder(stored.config, new Random(3));
  tf.tidy(() => {
    const { tokens, features } = inputsOf(stored);
    const seen = tf.variable(features);
    const misshapen: tf.Tensor2D = tf.ones([1, stored.positions + 1]);
    const before = tf.memory().numTensors;
    // Comes after the pass on the way back.
    const failing = tf.customGrad((x) => ({
      value: tf.clone(x as tf.Tensor),
      gradFunc: () => {
        throw new Error('backward');
      },
    }));
    const loss = () => {
      const memory = decoder.remember(failing(seen) as tf.Tensor3D);
      if (where === 'forward') memory.keyPaddingMask = misshapen;
      return tf.sum<tf.Scalar>(decoder.teacherForced(tokens, memory).logits);
    };
    const parameters = new Map([...parametersOf(decoder.params), ['features', seen]]);
    // How the shapes do not fit is said differently on every backend.
    expect(() => gradients(loss, parameters)).toThrow(where === 'forward' ? /shape/ : 'backward');
    expect(tf.memory().numTensors).toBe(before);
    seen.dispose();
  });
  decoder.dispose();
});
