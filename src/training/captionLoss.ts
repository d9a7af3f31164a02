import * as tf from '@tensorflow/tfjs';
import type { Captioner } from '../captioner';
import { DataError, expectWhole } from '../core/errors';
import type { Dataset, Example } from '../data/types';
import { type CaptionBatch, captionBatch } from './captionBatch';
import { batchesAhead, type FeatureCache, featureReader } from './features';
import { wordLoss } from './losses';
import { promptedBatch, promptedCaption } from './objectives/metadataPrompted';

export type CaptionLossOptions = {
  /** Pictures at a time. */
  batchSize?: number;
  /** Words of a caption that count; what is longer is cut. Default 24, as in `train`. */
  maxLength?: number;
  /** Pictures that are looked at, from the first on; by default all. */
  pictures?: number;
  features?: FeatureCache;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
};

/**
 * How surprised a captioner is by the true captions of pictures: the mean cross-entropy in nats per token, the end token included, teacher-forced,
 * without dropout and label smoothing; after their metadata, where it was made to read that. That of pictures it was trained with beside that of others shows over-fitting.
 *
 * @throws DataError where there are no captions, or a picture cannot be read
 */
export async function captionLoss(
  captioner: Captioner,
  data: Dataset,
  options: CaptionLossOptions = {},
): Promise<number> {
  const { batchSize = 16, maxLength = 24, features: cache, signal } = options;
  expectWhole('batchSize', batchSize, 1);
  expectWhole('maxLength', maxLength, 1);
  const total = Math.min(data.size, options.pictures ?? data.size);
  const { encoder, decoder } = captioner;
  const read = featureReader(encoder, cache);
  let [sum, tokens] = [0, 0];
  let done = 0;
  for await (const examples of batchesAhead(data, batchSize, read, total)) {
    signal?.throwIfAborted();
    // A decoder takes as many captions of each picture: those with the same number go together.
    const byCount = new Map<number, Example[]>();
    for (const example of examples) {
      const { length } = example.captions;
      if (length > 0) byCount.set(length, [...(byCount.get(length) ?? []), example]);
    }
    for (const group of byCount.values()) {
      const { rows, time, inputs, targets, wanted } = layOut(captioner, group, maxLength);
      const features = await read(group);
      const loss = tf.tidy(() => {
        const memory = decoder.remember(features);
        const words = tf.tensor2d(inputs, [rows, time], 'int32');
        const pass = decoder.teacherForced(words, memory, { wanted: tf.tensor1d(wanted, 'int32') });
        return wordLoss(pass, tf.tensor1d(targets, 'int32'), 0);
      });
      try {
        sum += (await loss.data())[0]! * targets.length;
        tokens += targets.length;
      } finally {
        tf.dispose([loss, features]);
      }
    }
    done += examples.length;
    options.onProgress?.(done, total);
  }
  if (tokens === 0) throw new DataError('There are no captions to be surprised by. Is the split empty?');
  return sum / tokens;
}

function layOut({ tokenizer, metadata }: Captioner, examples: readonly Example[], maxLength: number): CaptionBatch {
  if (!metadata) {
    const captions = examples.flatMap((example) => example.captions.map((caption) => tokenizer.encode(caption)));
    return captionBatch(captions, tokenizer, maxLength);
  }
  const how = { reading: metadata, maxLength };
  const rows = examples.flatMap((example) =>
    example.captions.map((_, place) => promptedCaption(tokenizer, example, place, how)),
  );
  return promptedBatch(rows, tokenizer);
}
