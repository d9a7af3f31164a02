import { accumulate, type Metric, type Scores, type Tokens } from './metric';
import { NgramNumbers } from './ngramNumbers';
import { MAX_ORDER, splitTokens } from './ngrams';

/** Lengths in words; `correct` and `guess` are clipped and possible n-gram matches, at index n - 1. */
export type BleuStatistics = {
  candidateLength: number;
  /** Of the reference closest in length to the candidate, the shorter of two equally close. */
  referenceLength: number;
  guess: number[];
  correct: number[];
};

export type BleuName = 'BLEU-1' | 'BLEU-2' | 'BLEU-3' | 'BLEU-4';
export type BleuScores = Scores<BleuName, BleuStatistics>;

/** The reference's guards against division by zero, which show in the tenth digit of its scores. */
const SMALL = 1e-9;
const TINY = 1e-15;

/**
 * BLEU-1 to BLEU-4 as pycocoevalcap 1.2 computes them: the closest reference's length, no smoothing of segments. The
 * corpus score comes from summed counts; it is not the mean of segments.
 *
 * @see Papineni et al. 2002, https://aclanthology.org/P02-1040, section 2.3
 */
export function bleu(): Metric<BleuScores, BleuStatistics> {
  return accumulate(bleuStatistics, bleuScores);
}

/** What BLEU needs to know of one caption. */
export function bleuStatistics(candidate: Tokens, references: readonly Tokens[]): BleuStatistics {
  const words = splitTokens(candidate);
  const referenceWords = references.map(splitTokens);
  const correct = clippedMatches(words, referenceWords);
  const lengths = referenceWords.map(({ length }) => length);
  return {
    candidateLength: words.length,
    referenceLength: closestLength(words.length, lengths),
    guess: correct.map((_, index) => Math.max(0, words.length - index)),
    correct,
  };
}

/** For each order how many n-grams of the candidate match, each as often as it is in the reference with most of it. */
function clippedMatches(words: Tokens, references: readonly Tokens[]): number[] {
  const numbers = new NgramNumbers();
  const orders = numbers.add(words);
  const unmatched = new Array<number>(numbers.size).fill(0);
  for (const reference of references) {
    const counts = new Array<number>(numbers.size).fill(0);
    for (const ngram of numbers.find(reference)) {
      const count = counts[ngram]! + 1;
      counts[ngram] = count;
      if (count > unmatched[ngram]!) unmatched[ngram] = count;
    }
  }
  return orders.map((ngrams) => ngrams.filter((ngram) => unmatched[ngram]!-- > 0).length);
}

function closestLength(length: number, lengths: readonly number[]): number {
  return lengths.reduce((best, other) => {
    const nearer = Math.abs(other - length) - Math.abs(best - length);
    return nearer < 0 || (nearer === 0 && other < best) ? other : best;
  });
}

/** Scores of a corpus, and of each of its captions, from their counts. */
export function bleuScores(segments: readonly BleuStatistics[]): BleuScores {
  return {
    corpus: bleuOf(segments.reduce(addStatistics)),
    segments: segments.map(bleuOf),
    details: segments.map((statistics) => ({ 'BLEU statistics': statistics })),
  };
}

function addStatistics(a: BleuStatistics, b: BleuStatistics): BleuStatistics {
  return {
    candidateLength: a.candidateLength + b.candidateLength,
    referenceLength: a.referenceLength + b.referenceLength,
    guess: a.guess.map((count, index) => count + b.guess[index]!),
    correct: a.correct.map((count, index) => count + b.correct[index]!),
  };
}

function bleuOf({ candidateLength, referenceLength, guess, correct }: BleuStatistics): Record<BleuName, number> {
  const ratio = (candidateLength + TINY) / (referenceLength + SMALL);
  const brevityPenalty = ratio < 1 ? Math.exp(1 - 1 / ratio) : 1;
  const scores: Record<string, number> = {};
  let product = 1;
  for (let n = 1; n <= MAX_ORDER; n++) {
    product *= (correct[n - 1]! + TINY) / (guess[n - 1]! + SMALL);
    scores[`BLEU-${n}`] = product ** (1 / n) * brevityPenalty;
  }
  return scores as Record<BleuName, number>;
}
