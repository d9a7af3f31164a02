import { UsageError } from '../core/errors';
import type { Random } from '../core/random';
import type { CaptionBatch, SpecialIds } from './captionBatch';

/** Throws a `UsageError` unless `share` is a probability with which training can go on. */
export function expectWordDropout(share: number): void {
  if (share >= 0 && share < 1) return;
  throw new UsageError(`wordDropout is ${share} but should be at least 0 and below 1, such as 0.1.`);
}

/**
 * Captions in which words that are read are unknown with the probability `share`; what should be said stays true. So a captioner cannot
 * lean on the words before alone and has to look at the picture.
 *
 * @see Bowman et al. 2016, https://arxiv.org/abs/1511.06349, section 3.1
 */
export function dropWords(
  captions: CaptionBatch,
  share: number,
  { startId, padId, unknownId }: Omit<SpecialIds, 'endId'> & { unknownId: number },
  random: Random,
): CaptionBatch {
  if (share === 0) return captions;
  const draws = random.uniform(captions.inputs.length);
  const inputs = captions.inputs.map((token, i) =>
    token !== startId && token !== padId && draws[i]! < share ? unknownId : token,
  );
  return { ...captions, inputs };
}
