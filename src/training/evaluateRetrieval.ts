import * as tf from '@tensorflow/tfjs';
import { DataError, expectWhole } from '../core/errors';
import type { Dataset } from '../data/types';
import type { DualEncoder } from '../models/dualEncoder';
import { type RetrievalScores, retrievalRanks, retrievalScores } from '../retrieval/recall';
import { batchesAhead, type FeatureCache, featureReader } from './features';

export type EvaluateRetrievalOptions = {
  /** Pictures that are embedded together. */
  batchSize?: number;
  /** Where features are kept; worth it while the encoder does not change. */
  features?: FeatureCache;
  signal?: AbortSignal;
  /** Called after every batch with the pictures embedded so far. */
  onProgress?: (done: number, total: number) => void;
};

export type RetrievalEvaluation = {
  pictures: number;
  texts: number;
  textToImage: RetrievalScores;
  imageToText: RetrievalScores;
};

/**
 * How well the pictures of a data set are found by their captions among all of them, and the captions by their pictures.
 *
 * @throws DataError for an empty data set, for an example without captions, and for a picture that cannot be read
 */
export async function evaluateRetrieval(
  model: DualEncoder,
  data: Dataset,
  { batchSize = 32, features: cache, signal, onProgress }: EvaluateRetrievalOptions = {},
): Promise<RetrievalEvaluation> {
  expectWhole('batchSize', batchSize, 1);
  if (data.size === 0) throw new DataError('There is no picture to look for. Is the split empty?');
  const read = featureReader(model.encoder, cache);
  const size = model.config.projectionSize;
  const images = new Float32Array(data.size * size);
  const imageOf: number[] = [];
  const captions: string[] = [];
  let done = 0;
  for await (const examples of batchesAhead(data, batchSize, read)) {
    signal?.throwIfAborted();
    for (const [i, example] of examples.entries()) {
      if (example.captions.length === 0) throw new DataError(`Example ${example.id} has no caption to be found by.`);
      captions.push(...example.captions);
      imageOf.push(...example.captions.map(() => done + i));
    }
    const features = await read(examples);
    const vectors = tf.tidy(() => model.embedFeatures(features));
    try {
      images.set(await vectors.data(), done * size);
    } finally {
      tf.dispose([features, vectors]);
    }
    done += examples.length;
    onProgress?.(done, data.size);
  }
  const texts = await model.embedTexts(captions);
  try {
    const ranks = retrievalRanks(
      { values: images, size },
      { values: (await texts.data()) as Float32Array, size },
      imageOf,
    );
    return {
      pictures: data.size,
      texts: captions.length,
      textToImage: retrievalScores(ranks.textToImage),
      imageToText: retrievalScores(ranks.imageToText),
    };
  } finally {
    texts.dispose();
  }
}
