import { accumulateSets, type CaptionSetMetric } from '../captionSets';
import { ciderKernels } from '../cider';
import { type DocumentFrequencies, readDocumentFrequencies } from '../documentFrequencies';
import { mean, type Scores, type Tokens } from '../metric';
import { distinctNgrams } from './distinct';
import { lsaDiversity } from './lsa';
import { mutualBleu } from './mutualBleu';
import { selfCider } from './selfCider';

export type DiversityOptions = {
  /**
   * Of a larger corpus, for self-CIDEr; published numbers use COCO's training captions. By default they are counted in
   * the captions that are measured together, so that a single image has self-CIDEr 0.
   */
  documentFrequencies?: DocumentFrequencies;
};

export type DiversityName = 'Self-CIDEr' | 'LSA' | `${'mBLEU' | 'Distinct' | 'Div'}-${1 | 2 | 3 | 4}`;
export type DiversityScores = Scores<DiversityName>;

/**
 * How much the captions generated for one image differ: per image, and as the corpus score the mean over images. Self-CIDEr,
 * LSA, Distinct-n and Div-n rise with diversity from 0 to 1; mBLEU falls. Self-CIDEr, LSA and mBLEU reproduce
 * DiversityMetrics (Wang and Chan) with the BLEU and CIDEr-D of pycocoevalcap 1.2. Images may have differing numbers of
 * captions, though numbers are comparable only between systems that gave equally many.
 *
 * @see Wang and Chan 2019, https://arxiv.org/abs/1903.12020
 */
export function diversity({ documentFrequencies }: DiversityOptions = {}): CaptionSetMetric<DiversityScores> {
  const given = documentFrequencies && readDocumentFrequencies(documentFrequencies);
  return accumulateSets((sets) => {
    const kernels = ciderKernels(sets, given);
    const segments = sets.map((captions, index) => scoresOf(captions, kernels[index]!));
    const names = Object.keys(segments[0]!) as DiversityName[];
    const corpus = Object.fromEntries(names.map((name) => [name, mean(segments.map((scores) => scores[name]))]));
    return { corpus: corpus as Record<DiversityName, number>, segments };
  });
}

function scoresOf(captions: readonly Tokens[], kernel: readonly (readonly number[])[]): Record<DiversityName, number> {
  const bleu = mutualBleu(captions);
  const varieties = distinctNgrams(captions);
  const scores: Record<string, number> = { 'Self-CIDEr': selfCider(kernel), LSA: lsaDiversity(captions) };
  for (const n of [1, 2, 3, 4] as const) scores[`mBLEU-${n}`] = bleu[`BLEU-${n}`];
  for (const [index, { distinct }] of varieties.entries()) scores[`Distinct-${index + 1}`] = distinct;
  for (const [index, { div }] of varieties.entries()) scores[`Div-${index + 1}`] = div;
  return scores as Record<DiversityName, number>;
}
