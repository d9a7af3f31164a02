import { createReadStream } from 'node:fs';
import { UsageError } from '../core/errors';
import { parseTransforms } from '../data/augment/named';
import { readGloVe } from '../data/glove';
import type { CaptionData } from '../data/types';
import { WordTokenizer } from '../data/wordTokenizer';
import type { Store } from '../io/types';
import { DualEncoder } from '../models/dualEncoder';
import { augmentThreads } from '../node/augmentThreads';
import { directory } from '../node/directory';
import type { RetrievalScores } from '../retrieval/recall';
import { evaluateRetrieval } from '../training/evaluateRetrieval';
import type { FeatureCache } from '../training/features';
import { trainDualEncoder } from '../training/trainDualEncoder';
import { startEncoder } from './captionerTrainee';
import { dualEncoderCard } from './modelCard';
import type { Trainee } from './trainee';
import type { TrainCommandOptions } from './trainOptions';

/** A dual encoder in training: new, or one that was trained before. */
export async function dualEncoderTrainee(
  options: TrainCommandOptions,
  data: CaptionData,
  store: Store,
  cache: FeatureCache,
): Promise<Trainee> {
  const { model, dispose } = await startModel(options, data);
  const augment = options.augment ? augmentThreads(parseTransforms(options.augment)) : undefined;
  return {
    what: 'dual encoder',
    shown: ['text to image recall@1', 'text to image recall@10'],
    rewarded: false,
    parameters: () => model.parameters(),
    train: (loop) =>
      trainDualEncoder(model, data.train, {
        ...loop,
        captionsPerImage: options.captionsPerImage,
        features: cache,
        ...(augment && { augment }),
      }),
    async validate({ features, progress, signal }) {
      if (data.dev.size === 0) return undefined;
      const { textToImage, imageToText } = await evaluateRetrieval(model, data.dev, {
        ...(features && { features }),
        signal,
        onProgress: (done, total) => progress.show(`validating: ${done} of ${total} pictures`),
      });
      const scores = { ...named('text to image', textToImage), ...named('image to text', imageToText) };
      return { scores, score: textToImage['recall@10'] };
    },
    async save(record) {
      const pictures = { layout: data.layout, trainPictures: data.train.size, devPictures: data.dev.size };
      await model.save(store, { dtype: options.precision, card: dualEncoderCard(model, { ...record, ...pictures }) });
    },
    dispose() {
      dispose();
      void augment?.close();
    },
  };
}

async function startModel(
  options: TrainCommandOptions,
  data: CaptionData,
): Promise<{ model: DualEncoder; dispose: () => void }> {
  if (options.from) {
    const model = await DualEncoder.load(directory(options.from));
    return { model, dispose: () => model.dispose() };
  }
  const encoder = await startEncoder(options);
  const tokenizer = await WordTokenizer.fromCaptions(data.train.captions(), { minCount: options.minCount });
  const { embeddingSize, hiddenSize, projectionSize, layers: textLayers, heads: numHeads, dropout, seed } = options;
  const sizes = { embeddingSize, hiddenSize, projectionSize, textLayers, numHeads };
  const model = DualEncoder.create({ encoder, tokenizer, ...sizes, dropout, seed });
  if (options.wordVectors) {
    const found = await model.takeWordVectors(readGloVe(createReadStream(options.wordVectors), embeddingSize));
    if (found === 0) throw new UsageError(`${options.wordVectors} has no vector for any word of the captions.`);
    process.stderr.write(`Word vectors for ${found} of ${tokenizer.vocabSize} words.\n`);
  }
  return {
    model,
    dispose: () => {
      model.dispose();
      encoder.dispose();
    },
  };
}

const named = (direction: string, scores: RetrievalScores) =>
  Object.fromEntries(Object.entries(scores).map(([name, value]) => [`${direction} ${name}`, value]));
