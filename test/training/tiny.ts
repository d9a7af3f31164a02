import type * as tf from '@tensorflow/tfjs';
import { AttentionLSTMCaptioner, type AttentionLSTMCaptionerOptions } from '../../src/attentionLSTMCaptioner';
import { Random } from '../../src/core/random';
import { datasetOf } from '../../src/data/dataset';
import type { Dataset, PixelImage } from '../../src/data/types';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { ConvEncoder } from '../../src/encoders/convEncoder';

/** Noise of 8 x 8 pixels. */
export function tinyPicture(seed: number): PixelImage {
  const values = new Random(seed).fork('picture').uniform(8 * 8 * 3);
  return { data: Uint8Array.from(values, (value) => 256 * value), width: 8, height: 8, channels: 3 };
}

const sentences = [
  ['a dog runs', 'the dog runs on grass', 'a brown dog'],
  ['a cat', 'a cat sits on a red chair', 'the cat sits'],
  ['two children play ball', 'children play', 'two children run'],
  ['a red ball', 'the ball on grass', 'a red ball on the grass'],
  ['a man sits on a chair', 'the man', 'a man and a dog'],
];

export const tinyRecords = sentences.map((captions, i) => ({ id: `${i}.png`, captions, split: 'train' as const }));

/** Five pictures with three captions of unequal lengths each. */
export const tinyData: Dataset = datasetOf(tinyRecords, async ({ id }) => tinyPicture(Number.parseInt(id, 10)));

export const tinyTokenizer = await WordTokenizer.fromCaptions(sentences.flat(), { minCount: 1 });

/** Two layers of convolution to a grid of 2 x 2 with 5 features; dispose of it with `captioner.encoder.dispose()` too. */
export function tinyCaptioner(options: Partial<AttentionLSTMCaptionerOptions> = {}): AttentionLSTMCaptioner {
  const seed = options.seed ?? 1;
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(seed).fork('encoder'));
  return AttentionLSTMCaptioner.create({
    encoder,
    tokenizer: tinyTokenizer,
    embeddingSize: 4,
    hiddenSize: 7,
    attentionSize: 6,
    dropout: 0.3,
    generation: { beamSize: 2, maxLength: 6 },
    ...options,
    seed,
  });
}

export function dispose(captioner: AttentionLSTMCaptioner): void {
  captioner.dispose();
  captioner.encoder.dispose();
}

/** Every number of the model, by name. */
export function weightsOf(captioner: AttentionLSTMCaptioner): Record<string, Float32Array> {
  const read = (tensor: tf.Tensor) => tensor.dataSync<'float32'>().slice();
  return Object.fromEntries([...captioner.parameters()].map(([name, variable]) => [name, read(variable)]));
}
