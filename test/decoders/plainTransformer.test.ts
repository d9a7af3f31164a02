import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { loadParams } from '../../src/core/spec';
import {
  type PlainTransformerConfig,
  plainTransformerParts,
  plainTransformerSpec,
} from '../../src/decoders/plainTransformer';
import { TransformerDecoder } from '../../src/decoders/transformer';
import { gradients } from '../../src/training/gradients';
import { linearCrossEntropy } from '../../src/training/losses';
import { byKey } from '../goldenModels/gradNorms';
import { expectClose, expectNoLeak } from '../helpers';
import { type Stored, tensorOf, transformerGolden } from '../transformerGolden';

await tf.setBackend('cpu');

const ids = ({ shape, values }: Stored) => tf.tensor(values, shape, 'int32');

/** A decoder with the weights of the case; dispose of it. */
async function decoderOf({ config, parameters }: Case) {
  const spec = plainTransformerSpec(config);
  const tensors = new Map(Object.entries(parameters));
  const read = async (name: string) => Float32Array.from(tensors.get(name)!.values);
  const params = await loadParams(spec, { tensors, read, where: 'decoder.json' }, new Random(1));
  return { spec, decoder: new TransformerDecoder(plainTransformerParts(params, config)) };
}

type Case = {
  config: PlainTransformerConfig;
  parameters: Record<string, Stored>;
  gradients: Record<string, Stored>;
} & Record<'features' | 'tokens' | 'targets' | 'logits' | 'loss' | 'featureGradient', Stored>;

const cases: Case[] = transformerGolden('decoder.json');

describe.each(cases)('$config', (golden) => {
  test('logits, loss and every gradient agree with torch.nn.TransformerDecoder', () =>
    expectNoLeak(async () => {
      const { spec, decoder } = await decoderOf(golden);
      tf.tidy(() => {
        const features = tf.variable(tensorOf<tf.Rank.R3>(golden.features));
        const tokens = ids(golden.tokens) as tf.Tensor2D;
        const forced = () => decoder.teacherForced(tokens, decoder.remember(features as unknown as tf.Tensor3D));
        expectClose(forced().logits, golden.logits.values, 1e-5, 1e-5);
        const parameters = new Map([...parametersOf(decoder.params), ['pixels', features as tf.Variable]]);
        const { loss, grads } = gradients(
          () => linearCrossEntropy(forced().last!, ids(golden.targets) as tf.Tensor1D),
          parameters,
        );
        expectClose(loss, golden.loss.values, 1e-5);
        expectClose(grads.get('pixels')!, golden.featureGradient.values, 1e-5, 1e-4);
        const found = byKey(spec, grads);
        expect([...found.keys()].sort()).toEqual(Object.keys(golden.gradients).sort());
        for (const [key, gradient] of found) expectClose(gradient, golden.gradients[key]!.values, 1e-5, 1e-4);
        features.dispose();
      });
      decoder.dispose();
    }));

  test('computed again on the way back, every gradient is the same', () =>
    expectNoLeak(async () => {
      const { decoder } = await decoderOf(golden);
      tf.tidy(() => {
        const tokens = ids(golden.tokens) as tf.Tensor2D;
        const drop = { rate: 0.2, random: new Random(4) };
        const run = (recomputes: boolean) => {
          decoder.recomputes = recomputes;
          return gradients(() => {
            const memory = decoder.remember(tensorOf<tf.Rank.R3>(golden.features));
            return linearCrossEntropy(
              decoder.teacherForced(tokens, memory, { drop }).last!,
              ids(golden.targets) as tf.Tensor1D,
            );
          }, parametersOf(decoder.params)).grads;
        };
        const [again, kept] = [run(true), run(false)];
        expect([...again.keys()]).toEqual([...kept.keys()]);
        for (const [name, gradient] of again) expectClose(gradient, kept.get(name)!, 1e-6, 1e-5);
      });
      decoder.dispose();
    }));

  test('word by word gives what all at once does', () =>
    expectNoLeak(async () => {
      const { decoder } = await decoderOf(golden);
      tf.tidy(() => {
        const memory = decoder.remember(tensorOf<tf.Rank.R3>(golden.features));
        let state = decoder.initialState();
        const tokens = ids(golden.tokens) as tf.Tensor2D;
        const steps = (tf.unstack(tokens, 1) as tf.Tensor1D[]).map((words) => {
          const step = decoder.step(words, state, memory);
          state = step.state;
          return step;
        });
        const logits = steps.map((step) => step.logits);
        expectClose(tf.stack(logits, 1), golden.logits.values, 1e-5, 1e-5);
        const { weights } = decoder.teacherForced(tokens, memory);
        const looked = steps.map((step) => step.weights!);
        expectClose(tf.stack(looked, 1), weights!, 1e-6);
      });
      decoder.dispose();
    }));
});

test('a text longer than there are places is an error that says so', () =>
  expectNoLeak(async () => {
    const { decoder } = await decoderOf(cases[0]!);
    const tooLong = () =>
      tf.tidy(() => decoder.read(tf.zeros([1, 8], 'int32'), decoder.initialState(), { layers: [] }).hiddenStates);
    expect(tooLong).toThrow(UsageError);
    expect(tooLong).toThrow('has places for 7');
    decoder.dispose();
  }));
