import * as tf from '@tensorflow/tfjs';
import { type AttentionLSTMConfig, AttentionLSTMDecoder } from '../../src/decoders/attentionLSTM';
import { beam } from '../../src/decoders/search/beam';
import { readInput, readPlan, readWeights, seed, writeInput, writePlan, writeWeights } from './files';
import { showAttendTell } from './trainStep';
import type { Plan, Work } from './types';

type BeamPlan = Plan & { config: AttentionLSTMConfig; beamSize: number; words: number; startId: number };

/** Makes words of random weights about as certain as those of a trained model, so that no two captions are as good as equal. */
const CERTAINTY = 30;

export async function prepareBeam(folder: string, images: number): Promise<void> {
  const config = showAttendTell(8000);
  const plan: BeamPlan = { kind: 'beam', config, beamSize: 5, words: 20, startId: 1 };
  await writePlan(folder, plan);
  await writeInput(folder, [images, 196, config.featureSize]);
  const decoder = new AttentionLSTMDecoder(config, seed.fork('decoder'));
  const { weight } = decoder.params.output;
  (weight as tf.Variable<tf.Rank.R2>).assign(tf.tidy(() => tf.mul(weight!, CERTAINTY)));
  await writeWeights(folder, decoder.params);
  decoder.dispose();
}

/** Captions of stored features. No token ends them, so that every engine goes as many steps with as many rows. */
export async function beamSearch(folder: string): Promise<Work> {
  const { config, beamSize, words, startId } = await readPlan<BeamPlan>(folder);
  const decoder = new AttentionLSTMDecoder(config, seed);
  await readWeights(folder, decoder.params);
  const features = await readInput<tf.Tensor3D>(folder);
  const search = beam({ beamSize });

  const captions = async () => {
    const memory = tf.tidy(() => decoder.remember(features));
    const found = await search(decoder, memory, {
      batch: features.shape[0],
      startId,
      endId: [],
      maxLength: words,
    });
    memory.keys.dispose();
    return found.map(([best]) => best!);
  };

  return {
    run: async () => {
      await captions();
    },
    async check() {
      const found = await captions();
      return {
        numbers: { logProbs: found.map(({ logProbs }) => logProbs.reduce((a, b) => a + b)) },
        captions: found.map(({ tokens }) => tokens),
      };
    },
  };
}
