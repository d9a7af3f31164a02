import * as tf from '@tensorflow/tfjs';
import { parametersOf } from '../../src/core/parameters';
import { type AttentionLSTMConfig, AttentionLSTMDecoder } from '../../src/decoders/attentionLSTM';
import { clipFactor, gradients } from '../../src/training/gradients';
import { linearCrossEntropy } from '../../src/training/losses';
import { adam } from '../../src/training/optimizers';
import { readInput, readPlan, readWeights, seed, writeInput, writePlan, writeWeights } from './files';
import type { Plan, Work } from './types';

/** rows: captions, one per picture; time: words of each */
export type StepSizes = { vocabSize: number; positions: number; rows: number; time: number };

type TrainStepPlan = Plan & {
  config: AttentionLSTMConfig;
  rows: number;
  time: number;
  learningRate: number;
  inputs: number[];
  targets: number[];
};

/** The decoder of "Show, Attend and Tell" on the features of a ResNet. */
export const showAttendTell = (vocabSize: number): AttentionLSTMConfig => ({
  vocabSize,
  featureSize: 2048,
  embeddingSize: 512,
  hiddenSize: 512,
  attentionSize: 512,
  numLayers: 1,
  attentionActivation: 'tanh',
  contextGate: false,
  deepOutput: false,
  initActivation: 'tanh',
});

/** Steps whose losses have to agree: the later ones say that the optimizers do the same. */
const CHECKED_STEPS = 3;

export async function prepareTrainStep(folder: string, sizes: StepSizes): Promise<void> {
  const { vocabSize, positions, rows, time } = sizes;
  const config = showAttendTell(vocabSize);
  const captions = Array.from({ length: rows }, (_, row) =>
    Array.from(
      seed
        .fork('captions')
        .fork(row)
        .uniform(time + 1),
      (u) => Math.floor(u * vocabSize),
    ),
  );
  const plan: TrainStepPlan = {
    kind: 'trainStep',
    config,
    rows,
    time,
    learningRate: 1e-4,
    inputs: captions.flatMap((words) => words.slice(0, time)),
    targets: captions.flatMap((words) => words.slice(1)),
  };
  await writePlan(folder, plan);
  await writeInput(folder, [rows, positions, config.featureSize]);
  const decoder = new AttentionLSTMDecoder(config, seed.fork('decoder'));
  await writeWeights(folder, decoder.params);
  decoder.dispose();
}

/** A step of training on stored features: teacher forcing, cross-entropy, Adam. */
export async function trainStep(folder: string): Promise<Work> {
  const { config, rows, time, learningRate, inputs, targets } = await readPlan<TrainStepPlan>(folder);
  const decoder = new AttentionLSTMDecoder(config, seed);
  await readWeights(folder, decoder.params);
  const features = await readInput<tf.Tensor3D>(folder);
  const parameters = parametersOf(decoder.params);
  const optimizer = adam(learningRate);

  const backward = () =>
    gradients(() => {
      const tokens = tf.tensor2d(inputs, [rows, time], 'int32');
      const { last } = decoder.teacherForced(tokens, decoder.remember(features));
      return linearCrossEntropy(last!, tf.tensor1d(targets, 'int32'));
    }, parameters);

  const run = () => {
    const { loss, grads } = backward();
    optimizer.apply(parameters, grads, () => 1);
    tf.dispose([...grads.values()]);
    return loss;
  };

  return {
    run,
    async check() {
      const { loss, grads } = backward();
      const { norm, factor } = clipFactor(grads, 1);
      const gradientNorm = [...(await norm.data())];
      tf.dispose([loss, norm, factor, ...grads.values()]);
      const losses: number[] = [];
      for (let i = 0; i < CHECKED_STEPS; i++) {
        const loss = run();
        losses.push(...(await loss.data()));
        loss.dispose();
      }
      return { numbers: { losses, gradientNorm } };
    },
  };
}
