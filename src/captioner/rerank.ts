import type * as tf from '@tensorflow/tfjs';
import type { Caption, CaptionText } from '../captioner';
import { UsageError } from '../core/errors';
import type { Image } from '../data/types';

/** Says how well each text fits a picture, higher is better: matching, CLIPScore, or anything else that looks at both. */
export type CaptionJudge = (texts: readonly string[]) => Promise<readonly number[]>;

export type RerankCaptionOptions = {
  /**
   * Of the judge in the order, in [0, 1]; the rest is that of the search. 1 leaves the order to the judge alone, which is the
   * default. In between both are taken by how far they are from their means over the candidates, in standard deviations.
   */
  share?: number;
};

/** `judged`: what the judge said. */
export type JudgedCaption = CaptionText & { judged: number };

/**
 * A caption and its `alternatives` in the order that a judge puts them in, best first; equals stay in order. Take the beam of a
 * picture, or samples, which differ more.
 *
 * @example
 * const features = await captioner.encode([image]);
 * const [best] = await rerankCaption(caption, (texts) => heads.matchProbabilities(features, texts));
 * @see Cho et al. 2022, https://arxiv.org/abs/2205.13115: captions chosen by CLIP are more telling than likely ones
 */
export async function rerankCaption(
  caption: Caption,
  judge: CaptionJudge,
  { share = 1 }: RerankCaptionOptions = {},
): Promise<JudgedCaption[]> {
  if (!(share >= 0 && share <= 1)) throw new UsageError(`share is ${share} but should be within 0 and 1.`);
  const { text, words, tokens, logProbs, score, alternatives = [] } = caption;
  const candidates: CaptionText[] = [{ text, words, tokens, logProbs, score }, ...alternatives];
  const judged = await judge(candidates.map((candidate) => candidate.text));
  if (judged.length !== candidates.length)
    throw new UsageError(
      `The judge gave ${judged.length} numbers for ${candidates.length} captions; one each is needed.`,
    );
  const [own, others] = [standardised(candidates.map((each) => each.score)), standardised(judged)];
  return candidates
    .map((candidate, i) => ({
      candidate: { ...candidate, judged: judged[i]! },
      rank: share === 1 ? judged[i]! : (1 - share) * own[i]! + share * others[i]!,
    }))
    .sort((a, b) => b.rank - a.rank)
    .map(({ candidate }) => candidate);
}

/** Less the mean, by the standard deviation; zeros where all are the same. */
function standardised(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return values.map((value) => (variance === 0 ? 0 : (value - mean) / Math.sqrt(variance)));
}

/** What puts pictures and texts into one space, in vectors of length 1: CLIP, or a `DualEncoder`. */
type Embedder = {
  embedImages(images: readonly Image[]): Promise<tf.Tensor2D>;
  embedTexts(texts: readonly string[]): Promise<tf.Tensor2D>;
};

/**
 * Judges captions of a picture by the cosine of their vectors: the order of CLIPScore (Hessel et al. 2021,
 * https://arxiv.org/abs/2104.08718), which is 2.5 times this where it is above 0.
 */
export function cosineJudge(embedder: Embedder, image: Image): CaptionJudge {
  return async (texts) => {
    const tensors: tf.Tensor2D[] = [];
    try {
      tensors.push(await embedder.embedImages([image]));
      tensors.push(await embedder.embedTexts(texts));
      const [picture, read] = await Promise.all(tensors.map((tensor) => tensor.data<'float32'>()));
      const size = picture!.length;
      return texts.map((_, row) => picture!.reduce((sum, value, i) => sum + value * read![row * size + i]!, 0));
    } finally {
      for (const tensor of tensors) tensor.dispose();
    }
  };
}
