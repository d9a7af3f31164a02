import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import type { Dropout } from '../../src/core/dropout';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { AttentionLSTMDecoder, type AttentionLSTMState } from '../../src/decoders/attentionLSTM';
import { captionBatch } from '../../src/training/captionBatch';
import { type Gradients, gradients } from '../../src/training/gradients';
import { crossEntropy, doublyStochastic } from '../../src/training/losses';
import { expectClose, expectNoLeak } from '../helpers';
import { type DecoderCase, golden, tensorOf } from './golden';

await tf.setBackend('cpu');

function decoderOf({ config, parameters }: DecoderCase): AttentionLSTMDecoder {
  const decoder = new AttentionLSTMDecoder(config, new Random(1));
  const own = parametersOf(decoder.params);
  expect([...own.keys()].sort()).toEqual(Object.keys(parameters).sort());
  tf.tidy(() => {
    for (const [path, variable] of own) variable.assign(tensorOf(parameters[path]!));
  });
  return decoder;
}

/** tokens [rows, time] and what should follow them */
function batchOf({ captions, special }: DecoderCase) {
  const { rows, time, inputs, targets, wanted, mask } = captionBatch(captions, special);
  return {
    tokens: tf.tensor2d(inputs, [rows, time], 'int32'),
    targets: tf.tensor1d(targets, 'int32'),
    wanted: tf.tensor1d(wanted, 'int32'),
    mask: tf.tensor2d(mask, [rows, time]),
  };
}

/** Both terms of the loss, and their sum. */
function lossOf(stored: DecoderCase, logits: tf.Tensor2D, weights: tf.Tensor3D) {
  const { targets, mask } = batchOf(stored);
  const words = crossEntropy(logits, targets, stored.labelSmoothing);
  const spread = doublyStochastic(weights, mask);
  return { words, spread, loss: tf.add<tf.Scalar>(words, spread) };
}

/** The gradients of every parameter and of the features, by name. */
function gradientsBy(decoder: AttentionLSTMDecoder, features: tf.Tensor, loss: (features: tf.Tensor3D) => tf.Scalar) {
  const variable = tf.variable(features);
  const parameters = new Map([...parametersOf(decoder.params), ['features', variable]]);
  const { grads } = gradients(() => loss(variable as tf.Tensor as tf.Tensor3D), parameters);
  variable.dispose();
  return grads;
}

function expectSameGradients(found: Gradients, expected: Gradients, tolerance: number): void {
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, gradient] of found) expectClose(gradient, expected.get(name)!, tolerance);
}

/** The slow way: one word after the other by `step`, with the features of a picture repeated for its captions. */
function byStep(decoder: AttentionLSTMDecoder, tokens: tf.Tensor2D, features: tf.Tensor3D, wanted: tf.Tensor1D) {
  const [rows, time] = tokens.shape;
  const memory = decoder.remember(repeated(features, rows / features.shape[0]));
  let state: AttentionLSTMState = decoder.initialState(memory);
  const steps = tf.unstack(tokens, 1).map((words) => {
    const step = decoder.step(words as tf.Tensor1D, state, memory);
    state = step.state;
    return step;
  });
  const logits = tf.reshape(
    tf.stack(
      steps.map((step) => step.logits),
      1,
    ),
    [rows * time, decoder.config.vocabSize],
  );
  return {
    logits: tf.gather(logits, wanted) as tf.Tensor2D,
    weights: tf.stack(
      steps.map((step) => step.weights!),
      1,
    ) as tf.Tensor3D,
  };
}

/** Row r of [images, ...] becomes rows r * times ... r * times + times - 1. */
function repeated(features: tf.Tensor3D, times: number): tf.Tensor3D {
  return tf.concat(
    tf.split(features, features.shape[0]).flatMap((image) => new Array<tf.Tensor>(times).fill(image)),
  ) as tf.Tensor3D;
}

const cases = golden.decoder.map((stored) => {
  const { numLayers, deepOutput } = stored.config;
  const output = deepOutput ? 'deep output' : 'plain output';
  return { ...stored, name: `${numLayers} layers, ${stored.captions.length / 2} captions per picture, ${output}` };
});

describe.each(cases)('$name', (stored) => {
  test('logits, attention and loss agree with PyTorch', () => {
    const decoder = decoderOf(stored);
    return expectNoLeak(() => {
      tf.tidy(() => {
        const { tokens, wanted, mask } = batchOf(stored);
        const memory = decoder.remember(tensorOf(stored.features));
        const { logits, weights, crossEntropy: words, doublyStochastic: spread } = stored.outputs;
        const all = decoder.teacherForced(tokens, memory);
        // float32 through six words and up to three layers, numbers of order 1
        expectClose(all.logits, logits!.values, 2e-6);
        expect(all.weights!.shape).toEqual(weights!.shape);
        expectClose(all.weights!, weights!.values, 1e-6);
        const some = decoder.teacherForced(tokens, memory, { wanted });
        expectClose(some.logits, tf.gather(all.logits, wanted), 1e-6);
        expect(some.logits.shape[0]).toBe(tf.sum(mask).dataSync()[0]);
        const loss = lossOf(stored, some.logits, some.weights!);
        expectClose(loss.words, words!.values, 1e-6);
        expectClose(loss.spread, spread!.values, 1e-6);
      });
    }).finally(() => decoder.dispose());
  });

  test('every gradient agrees with PyTorch', () => {
    const decoder = decoderOf(stored);
    tf.tidy(() => {
      const { tokens, wanted } = batchOf(stored);
      const found = gradientsBy(decoder, tensorOf(stored.features), (features) => {
        const { logits, weights } = decoder.teacherForced(tokens, decoder.remember(features), { wanted });
        return lossOf(stored, logits, weights!).loss;
      });
      const expected = new Map(Object.entries(stored.gradients).map(([name, value]) => [name, tensorOf(value)]));
      expectSameGradients(found, expected, 2e-6);
    });
    decoder.dispose();
  });

  test('the whole caption at once is the loop over step, values and gradients', () => {
    const decoder = decoderOf(stored);
    tf.tidy(() => {
      const { tokens, wanted, mask } = batchOf(stored);
      const features = tensorOf<tf.Rank.R3>(stored.features);
      const fused = (given: tf.Tensor3D) => decoder.teacherForced(tokens, decoder.remember(given), { wanted });
      const slow = (given: tf.Tensor3D) => byStep(decoder, tokens, given, wanted);
      expectClose(fused(features).logits, slow(features).logits, 1e-6);
      // Weights are zero after the end of a caption.
      expectClose(fused(features).weights!, tf.mul(slow(features).weights, tf.expandDims(mask, 2)), 1e-6);
      const [quick, looped] = [fused, slow].map((way) =>
        gradientsBy(decoder, features, (given) => {
          const { logits, weights } = way(given);
          return lossOf(stored, logits, weights!).loss;
        }),
      ) as [Gradients, Gradients];
      expectSameGradients(quick, looped, 1e-6);
    });
    decoder.dispose();
  });

  test('several captions of a picture are as many pictures with one', () => {
    const decoder = decoderOf(stored);
    tf.tidy(() => {
      const { tokens, wanted } = batchOf(stored);
      const features = tensorOf<tf.Rank.R3>(stored.features);
      const perImage = tokens.shape[0] / features.shape[0];
      const shared = decoder.teacherForced(tokens, decoder.remember(features), { wanted });
      const apart = decoder.teacherForced(tokens, decoder.remember(repeated(features, perImage)), { wanted });
      expectClose(shared.logits, apart.logits, 1e-6);
      expectClose(shared.weights!, apart.weights!, 1e-6);
    });
    decoder.dispose();
  });

  test('dropout changes what is learned and follows from its source alone', () => {
    const decoder = decoderOf(stored);
    tf.tidy(() => {
      const { tokens } = batchOf(stored);
      const memory = decoder.remember(tensorOf(stored.features));
      const run = (drop?: Dropout) => [
        ...decoder.teacherForced(tokens, memory, drop ? { drop } : {}).logits.dataSync(),
      ];
      const drop = (seed: number, rate = 0.4) => ({ rate, random: new Random(seed) });
      expect(run(drop(1))).toEqual(run(drop(1)));
      expect(run(drop(1))).not.toEqual(run(drop(2)));
      expect(run(drop(1))).not.toEqual(run());
      expect(run(drop(1, 0))).toEqual(run());
    });
    decoder.dispose();
  });
});
