import { type Caption, type Captioner, type CaptionOptions, captionFeatures } from '../captioner';
import { captionWithMetadata } from '../captioner/captionWithMetadata';
import { metadataOf } from '../captioner/metadata';
import { expectWhole } from '../core/errors';
import type { Dataset, Example } from '../data/types';
import { type CaptionScores, type ScoreOptions, scoreCaptions } from '../metrics';
import { batchesAhead, type FeatureCache, featureReader } from './features';

export type EvaluateOptions = CaptionOptions &
  Pick<ScoreOptions, 'metrics' | 'details' | 'documentFrequencies' | 'meteorData' | 'paraphrases'> & {
    /** Where features are kept; worth it while the encoder does not change. */
    features?: FeatureCache;
    /**
     * Let the captioner read the metadata of each example, that of its first caption where captions have their own. By default it
     * does if it was made to.
     */
    metadata?: boolean;
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
  const { batchSize = 16, signal, metadata = captioner.metadata !== undefined } = options;
  expectWhole('batchSize', batchSize, 1);
  const read = featureReader(captioner.encoder, options.features);
  let done = 0;
  for await (const examples of batchesAhead(data, batchSize, read)) {
    signal?.throwIfAborted();
    const features = await read(examples);
    try {
      const known = examples.map((example) => metadataOf(example));
      const captions = metadata
        ? await captionWithMetadata(captioner, features, known, options)
        : await captionFeatures(captioner, features, options);
      for (const [i, example] of examples.entries()) yield { example, caption: captions[i]! };
    } finally {
      features.dispose();
    }
    done += examples.length;
    options.onProgress?.(done, data.size);
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
