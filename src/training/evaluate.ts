import { type Caption, type Captioner, type CaptionOptions, captionFeatures } from '../captioner';
import { expectWhole } from '../core/errors';
import type { Dataset, Example } from '../data/types';
import { type CaptionScores, type ScoreOptions, scoreCaptions } from '../metrics';
import { type FeatureCache, featureReader } from './features';

export type EvaluateOptions = CaptionOptions &
  Pick<ScoreOptions, 'metrics' | 'details' | 'documentFrequencies' | 'meteorData' | 'paraphrases'> & {
    /** Where features are kept; worth it while the encoder does not change. */
    features?: FeatureCache;
    /** Called after every batch with the pictures captioned so far. */
    onProgress?: (done: number, total: number) => void;
  };

export type Evaluation = CaptionScores & {
  /** What was scored, in the order of the data set. */
  captions: { id: string; caption: string; references: string[] }[];
};

/** Captions of examples, in their order, batch by batch. */
export async function* captionExamples(
  captioner: Captioner,
  data: Dataset,
  options: EvaluateOptions = {},
): AsyncGenerator<{ example: Example; caption: Caption }, void, undefined> {
  const { batchSize = 16, signal } = options;
  expectWhole('batchSize', batchSize, 1);
  const read = featureReader(captioner.encoder, options.features);
  for (let start = 0; start < data.size; start += batchSize) {
    signal?.throwIfAborted();
    const count = Math.min(batchSize, data.size - start);
    const examples = await Promise.all(Array.from({ length: count }, (_, i) => data.at(start + i)));
    const features = await read(examples);
    try {
      const captions = await captionFeatures(captioner, features, options);
      for (const [i, example] of examples.entries()) yield { example, caption: captions[i]! };
    } finally {
      features.dispose();
    }
    options.onProgress?.(start + count, data.size);
  }
}

/**
 * Captions every picture of a data set and scores the captions against its own: never teacher-forced.
 *
 * @throws as `scoreCaptions`, and a DataError that names a picture which cannot be read
 */
export async function evaluate(
  captioner: Captioner,
  data: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const captions: Evaluation['captions'] = [];
  const splits = new Set<string>();
  for await (const { example, caption } of captionExamples(captioner, data, options)) {
    captions.push({ id: example.id, caption: caption.text, references: example.captions });
    splits.add(example.split);
  }
  const { onProgress: _, ...scoring } = options;
  const scores = await scoreCaptions(
    captions.map(({ id, caption, references }) => ({ id, candidate: caption, references })),
    { ...scoring, split: [...splits].join(', ') },
  );
  return { ...scores, captions };
}
