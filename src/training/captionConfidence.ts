import type { CaptionText } from '../captioner';
import { expectPositive } from '../core/errors';
import { confidenceOf, type Scaling } from './calibrate';

export type CaptionConfidence = {
  /** Of each word, in [0, 1]: the probability that it is right, where the scaling was fitted to that. */
  words: { word: string; confidence: number }[];
  /** The geometric mean over the words; 1 for a caption without words. */
  mean: number;
  /** That of the word which is least sure; 1 for a caption without words. */
  least: number;
};

/**
 * How sure a captioner is of a caption, word by word and in all. The end token counts for nothing. The scaling is that of
 * `calibrate`; without it probabilities are as the model has them.
 *
 * @see Guo et al. 2017, https://arxiv.org/abs/1706.04599
 */
export function captionConfidence(
  { words, logProbs }: Pick<CaptionText, 'words' | 'logProbs'>,
  { temperature = 1, bias = 0 }: Partial<Scaling> = {},
): CaptionConfidence {
  expectPositive('temperature', temperature);
  const each = words.map((word, i) => ({ word, confidence: confidenceOf(logProbs[i]!, { temperature, bias }) }));
  const logs = each.reduce((sum, { confidence }) => sum + Math.log(confidence), 0);
  return {
    words: each,
    mean: each.length === 0 ? 1 : Math.exp(logs / each.length),
    least: Math.min(1, ...each.map(({ confidence }) => confidence)),
  };
}
