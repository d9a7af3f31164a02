import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { type AttentionLSTMConfig, AttentionLSTMDecoder } from '../../src/decoders/attentionLSTM';
import { attentionLSTMStateDict, deepOutputStateDict } from '../../src/decoders/attentionLSTMNames';
import { beam } from '../../src/decoders/search/beam';
import { greedy } from '../../src/decoders/search/greedy';
import type { Search } from '../../src/decoders/search/types';
import { float32Values } from '../../src/io/safetensors';
import { captionBatch } from '../../src/training/captionBatch';
import { clipByValue, gradients } from '../../src/training/gradients';
import { crossEntropy, doublyStochastic } from '../../src/training/losses';
import { adam } from '../../src/training/optimizers';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

function configOf({ config }: GoldenCase): AttentionLSTMConfig {
  const known = new Set(
    'model_type vocab_size embed_dim hidden_dim attention_dim feature_dim attention_activation context_gate deep_output init_state_activation start_token_id end_token_id pad_token_id alpha_c'.split(
      ' ',
    ),
  );
  expect(
    Object.keys(config).filter((name) => !known.has(name)),
    'settings that this test does not know',
  ).toEqual([]);
  return {
    vocabSize: config.vocab_size as number,
    featureSize: config.feature_dim as number,
    embeddingSize: config.embed_dim as number,
    hiddenSize: config.hidden_dim as number,
    attentionSize: config.attention_dim as number,
    numLayers: 1,
    attentionActivation: config.attention_activation as 'tanh' | 'relu',
    contextGate: config.context_gate as boolean,
    deepOutput: config.deep_output as boolean,
    initActivation: config.init_state_activation as 'tanh' | 'none',
  };
}

const keyOf = (config: AttentionLSTMConfig, path: string) =>
  (config.deepOutput && deepOutputStateDict[path]) || attentionLSTMStateDict[path]!;

/** PyTorch's [out, in] to [in, out] and back; the embedding is a table in both. */
const swapped = (path: string, tensor: tf.Tensor) =>
  tensor.rank === 2 && path !== 'embedding' ? tf.transpose(tensor) : tensor;

/** The decoder with the weights of the case. */
function decoderOf(golden: GoldenCase): AttentionLSTMDecoder {
  const config = configOf(golden);
  const decoder = new AttentionLSTMDecoder(config, new Random(1));
  const used = new Set<string>();
  tf.tidy(() => {
    for (const [path, variable] of parametersOf(decoder.params)) {
      const key = keyOf(config, path);
      const stored = golden.weights.get(key)!;
      variable.assign(swapped(path, tf.tensor(float32Values(stored), [...stored.shape])));
      used.add(key);
    }
  });
  expect(
    [...golden.weights.keys()].filter((key) => !used.has(key)),
    'weights that no parameter took',
  ).toEqual([]);
  return decoder;
}

/** The captions of the case as a batch; they are stored with start and end token. */
function batchOf(golden: GoldenCase) {
  const captions = golden.tensor('in.captions').arraySync() as number[][];
  const lengths = golden.tensor('in.lengths').arraySync() as number[];
  const { start_token_id: startId, end_token_id: endId, pad_token_id: padId } = golden.config as Record<string, number>;
  const words = captions.map((caption, row) => caption.slice(1, lengths[row]! - 1));
  return captionBatch(words, { startId: startId!, endId: endId!, padId: padId! });
}

/** Both parts of the loss of a teacher-forced pass, and what it saw. */
function forward(golden: GoldenCase, decoder: AttentionLSTMDecoder, features: tf.Tensor3D) {
  const { rows, time, inputs, targets, wanted, mask } = batchOf(golden);
  const pass = decoder.teacherForced(tf.tensor2d(inputs, [rows, time], 'int32'), decoder.remember(features), {
    wanted: tf.tensor1d(wanted, 'int32'),
  });
  const masked = tf.tensor2d(mask, [rows, time]);
  const ce = crossEntropy(pass.logits, tf.tensor1d(targets, 'int32'));
  const ds = tf.mul<tf.Scalar>(doublyStochastic(pass.weights!, masked), golden.config.alpha_c as number);
  return { ...pass, masked, wanted, ce, ds, loss: tf.add<tf.Scalar>(ce, ds), rows, time };
}

describe.each(goldenFolders('attention_lstm').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  const close = (actual: tf.Tensor, name: string) => {
    const { atol, rtol } = golden.tolerance(name);
    expectClose(actual, golden.tensor(name), atol, rtol);
  };

  test('states, logits, attention and loss', () => {
    const decoder = decoderOf(golden);
    tf.tidy(() => {
      const features = golden.tensor('in.features') as tf.Tensor3D;
      const [state] = decoder.initialState(decoder.remember(features)).layers;
      close(state!.hidden, 'out.h0');
      close(state!.cell!, 'out.c0');
      const { logits, weights, masked, wanted, ce, ds, loss, rows, time } = forward(golden, decoder, features);
      const full = tf.scatterND(tf.tensor2d(wanted, [wanted.length, 1], 'int32'), logits, [
        rows * time,
        logits.shape[1],
      ]);
      // The reference keeps one step more than the longest caption needs where all are short; it is zero there.
      const [, steps] = golden.tensor('out.logits').shape as [number, number, number];
      const toSteps = (x: tf.Tensor3D) =>
        tf.pad(x, [
          [0, 0],
          [0, steps - time],
          [0, 0],
        ]);
      close(toSteps(tf.reshape(full, [rows, time, -1])), 'out.logits');
      close(toSteps(tf.mul(weights!, tf.expandDims(masked, 2))), 'out.alphas');
      close(ce, 'out.loss.ce');
      close(ds, 'out.loss.doubly_stochastic');
      close(loss, 'out.loss');
    });
    decoder.dispose();
  });

  test('every gradient', () => {
    const decoder = decoderOf(golden);
    const compared = new Set<string>();
    tf.tidy(() => {
      const features = tf.variable(golden.tensor('in.features')) as tf.Variable<tf.Rank.R3>;
      const parameters = new Map([...parametersOf(decoder.params), ['features', features as tf.Variable]]);
      const { grads } = gradients(() => forward(golden, decoder, features as unknown as tf.Tensor3D).loss, parameters);
      for (const [path, gradient] of grads) {
        const name = `out.grad.${path === 'features' ? path : keyOf(decoder.config, path)}`;
        close(path === 'features' ? gradient : swapped(path, gradient), name);
        compared.add(name);
      }
      features.dispose();
    });
    expect([...compared].sort()).toEqual(
      [...golden.values.keys()].filter((name) => name.startsWith('out.grad.')).sort(),
    );
    decoder.dispose();
  });

  test.each(['adam', 'adam_value_clip_0.03'])('four steps of %s', (kind) => {
    const { lr, losses } = golden.golden.results.adam_losses;
    expect(Object.keys(losses).sort()).toEqual(['adam', 'adam_value_clip_0.03']);
    const decoder = decoderOf(golden);
    const parameters = parametersOf(decoder.params);
    const optimizer = adam(lr);
    const found: number[] = [];
    for (let step = 0; step < 4; step++)
      tf.tidy(() => {
        const features = golden.tensor('in.features') as tf.Tensor3D;
        const { loss, grads } = gradients(() => forward(golden, decoder, features).loss, parameters);
        found.push(loss.dataSync()[0]!);
        optimizer.apply(parameters, kind === 'adam' ? grads : clipByValue(grads, 0.03), () => 1);
      });
    expectClose(found, losses[kind], 0, 5e-4);
    if (kind === 'adam')
      tf.tidy(() => {
        for (const name of golden.values.keys()) {
          if (!name.startsWith('out.adam4.')) continue;
          const [path, variable] = [...parameters].find(
            ([path]) => `out.adam4.${keyOf(decoder.config, path)}` === name,
          )!;
          close(swapped(path, variable), name);
        }
      });
    optimizer.dispose();
    decoder.dispose();
  });

  const search = async (decoder: AttentionLSTMDecoder, strategy: Search, maxLength: number, attention = false) => {
    const { start_token_id: startId, end_token_id: endId } = golden.config as Record<string, number>;
    const features = golden.tensor('in.features') as tf.Tensor3D;
    const memory = tf.tidy(() => decoder.remember(features));
    const found = await strategy(decoder, memory, {
      batch: features.shape[0],
      startId: startId!,
      endId: endId!,
      maxLength,
      attention,
    });
    tf.dispose([features, memory.keys]);
    return found;
  };
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

  test('greedy captions', async () => {
    const { max_steps: maxLength, results } = golden.golden.results.greedy;
    const decoder = decoderOf(golden);
    const found = await expectNoLeak(() => search(decoder, greedy(), maxLength, true));
    for (const [image, expected] of results.entries()) {
      const best = found[image]![0]!;
      expect([golden.config.start_token_id, ...best.tokens]).toEqual(expected.sequence);
      expectClose([sum(best.logProbs)], [expected.sum_logprob], 1e-4);
      // Weights are printed with six decimals.
      expectClose(best.weights!.slice(0, expected.alphas_first3.length).flat(), expected.alphas_first3.flat(), 2e-5);
    }
    decoder.dispose();
  });

  test.each([3, 5])('beam of %i by the shrinking rule', async (k) => {
    const { max_steps: maxLength, results } = golden.golden.results[`beam_k${k}`];
    const decoder = decoderOf(golden);
    const found = await expectNoLeak(() => search(decoder, beam({ beamSize: k, rule: 'shrinking' }), maxLength));
    for (const [image, expected] of results.entries()) {
      const best = found[image]![0]!;
      expect([golden.config.start_token_id, ...best.tokens]).toEqual(expected.best);
      expectClose([sum(best.logProbs)], [expected.best_score], 1e-4);
      const completed = found[image]!.filter((hypothesis) => hypothesis.finished);
      expect(completed.map(({ tokens }) => [golden.config.start_token_id, ...tokens])).toEqual(
        expected.completed.map(({ sequence }: { sequence: number[] }) => sequence),
      );
    }
    decoder.dispose();
  });
});
