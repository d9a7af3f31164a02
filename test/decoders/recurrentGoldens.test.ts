import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { mapTree, type Tree } from '../../src/core/tree';
import { AttentionLSTMDecoder } from '../../src/decoders/attentionLSTM';
import { LSTMDecoder } from '../../src/decoders/lstm';
import type { TrainableDecoder } from '../../src/decoders/types';
import { captionBatch } from '../../src/training/captionBatch';
import { gradients } from '../../src/training/gradients';
import { crossEntropy, doublyStochastic, linearCrossEntropy } from '../../src/training/losses';
import { type DecoderCase, decoderGolden } from '../attention/golden';
import { expectClose, expectNoLeak } from '../helpers';
import { tensorOf } from '../training/golden';

await tf.setBackend('cpu');

// biome-ignore lint/suspicious/noExplicitAny: state and memory are the decoder's own business
type AnyDecoder = TrainableDecoder<any, any> & {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  remember(features: tf.Tensor3D, drop: undefined, mask: tf.Tensor2D): any;
};
type Case = DecoderCase<object> & { make: () => AnyDecoder };

const cases: [string, Case][] = [
  ...decoderGolden.attending.map((stored): [string, Case] => {
    const { attention = { type: 'additive' }, look, cell, numLayers, contextGate, deepOutput, tied } = stored.config;
    const options = Object.entries({ contextGate, deepOutput, tied }).flatMap(([name, on]) => (on ? [name] : []));
    const name = [attention.type, look, `${numLayers} ${cell}`, ...options].join(', ');
    return [name, { ...stored, make: () => new AttentionLSTMDecoder(stored.config, new Random(1)) }];
  }),
  ...decoderGolden.plain.map((stored): [string, Case] => {
    const { injection, cell, numLayers, tied } = stored.config;
    const name = [injection, `${numLayers} ${cell}`, ...(tied ? ['tied'] : [])].join(', ');
    return [name, { ...stored, make: () => new LSTMDecoder(stored.config, new Random(1)) }];
  }),
];

/** The decoder with PyTorch's weights. */
function decoderOf(stored: Case): AnyDecoder {
  const decoder = stored.make();
  const own = parametersOf(decoder.params);
  expect([...own.keys()].sort()).toEqual(Object.keys(stored.parameters).sort());
  for (const [path, variable] of own) {
    expect(variable.shape, path).toEqual(stored.parameters[path]!.shape);
    variable.assign(tensorOf(stored.parameters[path]!));
  }
  return decoder;
}

function batchOf({ captions }: Case) {
  const { rows, time, inputs, targets, wanted, mask } = captionBatch(captions, { startId: 1, endId: 2, padId: 0 });
  return {
    inputs: tf.tensor2d(inputs, [rows, time], 'int32'),
    targets: tf.tensor1d(targets, 'int32'),
    wanted: tf.tensor1d(wanted, 'int32'),
    mask: tf.tensor2d(mask, [rows, time]),
    places: wanted,
  };
}

describe.each(cases)('%s', (_, stored) => {
  test('logits, loss and every gradient of the whole pass agree with PyTorch', () =>
    expectNoLeak(() => {
      tf.tidy(() => {
        const decoder = decoderOf(stored);
        const { inputs, targets, wanted, mask } = batchOf(stored);
        const features = tf.variable(tensorOf<tf.Rank.R3>(stored.features));
        const pass = () => {
          const seen = features as tf.Tensor as tf.Tensor3D;
          return decoder.teacherForced(inputs, decoder.remember(seen, undefined, tensorOf(stored.mask)), { wanted });
        };
        const { logits, last } = pass();
        // float32 through at most five steps of three layers
        expectClose(logits, stored.logits.values, 1e-5);
        const parameters = new Map([
          ...parametersOf(decoder.params),
          ['features', features as tf.Tensor as tf.Variable] as const,
        ]);
        const { loss, grads } = gradients(() => {
          const { last, weights } = pass();
          const words = linearCrossEntropy(last!, targets);
          return weights ? tf.add<tf.Scalar>(words, doublyStochastic(weights, mask)) : words;
        }, parameters);
        expectClose(loss, stored.loss.values, 1e-5);
        expectClose(linearCrossEntropy(last!, targets), crossEntropy(logits, targets), 1e-6);
        for (const path of Object.keys(stored.gradients)) {
          const gradient = grads.get(path) ?? tf.zeros(stored.gradients[path]!.shape);
          expect(gradient.shape, path).toEqual(stored.gradients[path]!.shape);
          expectClose(gradient, stored.gradients[path]!.values, 1e-5, 1e-4);
        }
        features.dispose();
        decoder.dispose();
      });
    }));

  test('word by word it says the same', () =>
    expectNoLeak(() => {
      tf.tidy(() => {
        const decoder = decoderOf(stored);
        const { inputs, places } = batchOf(stored);
        const [rows, time] = inputs.shape;
        const memory = decoder.remember(tensorOf(stored.features), undefined, tensorOf(stored.mask));
        let state: Tree = mapTree(decoder.initialState(memory) as Tree, (x) =>
          tf.reshape(tf.tile(tf.expandDims(x, 1), [1, 2, 1]), [rows, x.shape[1]!]),
        );
        const steps: tf.Tensor[] = [];
        for (let t = 0; t < time; t++) {
          const tokens = tf.reshape<tf.Rank.R1>(tf.slice(inputs, [0, t], [rows, 1]), [rows]);
          const next = decoder.step(tokens, state, memory);
          state = next.state;
          steps.push(next.logits);
        }
        const all = tf.reshape(tf.stack(steps, 1), [rows * time, -1]);
        expectClose(tf.gather(all, tf.tensor1d(places, 'int32')), stored.logits.values, 1e-5);
        decoder.dispose();
      });
    }));
});
