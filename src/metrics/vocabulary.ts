import { accumulateSets, type CaptionSetMetric } from './captionSets';
import { mean, type Tokens } from './metric';
import { splitTokens } from './ngrams';

/** Lengths of captions in words; all 0 where there are no captions. */
export type LengthStatistics = {
  mean: number;
  /** Of the captions as a whole population, that is, divided by their number. */
  standardDeviation: number;
  min: number;
  max: number;
  /** How many captions have each length, from 0 words at index 0 to `max`. */
  histogram: number[];
};

export type VocabularyScores = {
  captions: number;
  words: number;
  vocabularySize: number;
  lengths: LengthStatistics;
  /** Where training captions were given. */
  novelty?: number;
};

export type VocabularyOptions = {
  /** What the captioner was trained on, through the same tokenizer; asks for `novelty`. */
  training?: Iterable<Tokens>;
};

/**
 * What words a captioner uses, over all captions of a corpus. Vocabulary sizes grow with the number of captions: compare
 * systems on equally many.
 *
 * @see van Miltenburg et al. 2018, https://aclanthology.org/C18-1147
 */
export function vocabulary({ training }: VocabularyOptions = {}): CaptionSetMetric<VocabularyScores> {
  const known = training && joined(training);
  return accumulateSets((sets) => {
    const captions = sets.flat();
    const lengths = lengthStatistics(captions);
    return {
      captions: captions.length,
      words: lengths.histogram.reduce((sum, count, length) => sum + count * length, 0),
      vocabularySize: vocabularySize(captions),
      lengths,
      ...(known && { novelty: shareNotIn(known, captions) }),
    };
  });
}

/** The number of different words. */
export function vocabularySize(captions: readonly Tokens[]): number {
  return new Set(captions.flatMap((tokens) => splitTokens(tokens))).size;
}

export function lengthStatistics(captions: readonly Tokens[]): LengthStatistics {
  if (captions.length === 0) return { mean: 0, standardDeviation: 0, min: 0, max: 0, histogram: [] };
  const histogram: number[] = [];
  for (const tokens of captions) {
    const { length } = splitTokens(tokens);
    while (histogram.length <= length) histogram.push(0);
    histogram[length]!++;
  }
  const meanOf = (measure: (length: number) => number) =>
    histogram.reduce((sum, count, length) => sum + count * measure(length), 0) / captions.length;
  const average = meanOf((length) => length);
  return {
    mean: average,
    standardDeviation: Math.sqrt(meanOf((length) => (length - average) ** 2)),
    min: histogram.findIndex((count) => count > 0),
    max: histogram.length - 1,
    histogram,
  };
}

/**
 * The share of captions, repetitions counted, that are not word for word among the training captions: from 0 to 1, and 0
 * of no captions.
 *
 * @param training - through the same tokenizer
 */
export function novelty(captions: readonly Tokens[], training: Iterable<Tokens>): number {
  return shareNotIn(joined(training), captions);
}

function joined(captions: Iterable<Tokens>): Set<string> {
  const texts = new Set<string>();
  for (const tokens of captions) texts.add(textOf(tokens));
  return texts;
}

function shareNotIn(known: ReadonlySet<string>, captions: readonly Tokens[]): number {
  if (captions.length === 0) return 0;
  return mean(captions.map((tokens) => (known.has(textOf(tokens)) ? 0 : 1)));
}

function textOf(tokens: Tokens): string {
  return splitTokens(tokens).join(' ');
}
