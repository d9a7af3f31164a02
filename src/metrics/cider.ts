import { type DocumentFrequencies, readDocumentFrequencies } from './documentFrequencies';
import { accumulate, type Metric, mean, type Scores, type Tokens } from './metric';
import { type NgramCounts, ngramCounts, splitTokens } from './ngrams';

export type CiderOptions = {
  /**
   * `D` is CIDEr-D, what the field reports as CIDEr: counts clipped to the reference's, differing lengths damped.
   * `original` has neither.
   */
  variant?: 'D' | 'original';
  /** Of a larger corpus. By default they are counted in the references of the captions that are scored together. */
  documentFrequencies?: DocumentFrequencies;
};

export type CiderName = 'CIDEr' | 'CIDEr (original)';

/** The words of one caption. What they weigh is known only once the frequencies of the whole corpus are. */
export type CiderSegment = { candidate: Tokens; references: Tokens[] };

type ReadFrequencies = ReturnType<typeof readDocumentFrequencies>;

/** Width of the Gaussian over the difference in length, in bigrams. */
const SIGMA = 6;

/**
 * CIDEr-D as pycocoevalcap 1.2 computes it, x 10 as the field prints it. The corpus score is the mean of segments. In a
 * corpus of one image every n-gram occurs everywhere, so that all scores are 0: give `documentFrequencies` then.
 *
 * @see Vedantam et al. 2015, https://arxiv.org/abs/1411.5726, equations 1 to 3, and for CIDEr-D section 6
 */
export function cider(
  options: CiderOptions & { variant: 'original' },
): Metric<Scores<'CIDEr (original)'>, CiderSegment>;
export function cider(options?: CiderOptions & { variant?: 'D' }): Metric<Scores<'CIDEr'>, CiderSegment>;
export function cider(options: CiderOptions = {}): Metric<Scores<CiderName>, CiderSegment> {
  const { variant = 'D', documentFrequencies } = options;
  const given = documentFrequencies && readDocumentFrequencies(documentFrequencies);
  const name = variant === 'D' ? 'CIDEr' : 'CIDEr (original)';
  return accumulate(
    (candidate, references) => ({ candidate: splitTokens(candidate), references: references.map(splitTokens) }),
    (segments) => {
      const scores = ciderScores(segments, variant, given);
      return {
        corpus: { [name]: mean(scores) } as Record<CiderName, number>,
        segments: scores.map((score) => ({ [name]: score }) as Record<CiderName, number>),
      };
    },
  );
}

function ciderScores(
  segments: readonly CiderSegment[],
  variant: 'D' | 'original',
  given: ReadFrequencies | undefined,
): number[] {
  const { documents, numberOf } = numberNgrams(given);
  const counted = segments.map(({ candidate, references }) => ({
    candidate: ngramCounts(candidate, numberOf),
    references: references.map((reference) => ngramCounts(reference, numberOf)),
  }));
  if (!given) for (const { references } of counted) countDocument(documents, references);
  const weights = weightsOf(documents, given?.images ?? segments.length);
  return counted.map(({ candidate, references }) => {
    const vector = vectorOf(candidate, weights);
    const similarities = references.map((reference) =>
      similarity(vector, vectorOf(reference, weights), weights, variant),
    );
    return 10 * mean(similarities);
  });
}

/**
 * CIDEr-D x 10 between the captions of each set, the kernel of self-CIDEr: at [i][j], where i <= j, caption i scored
 * against caption j alone. Clipping makes the other direction another number; the kernel is symmetric because the upper
 * triangle is mirrored, as the reference does it.
 *
 * @param given - by default counted in the sets, each a document
 */
export function ciderKernels(sets: readonly (readonly Tokens[])[], given: ReadFrequencies | undefined): number[][][] {
  const { documents, numberOf } = numberNgrams(given);
  const counted = sets.map((captions) => captions.map((tokens) => ngramCounts(splitTokens(tokens), numberOf)));
  if (!given) for (const captions of counted) countDocument(documents, captions);
  const weights = weightsOf(documents, given?.images ?? sets.length);
  return counted.map((captions) => {
    const vectors = captions.map((orders) => vectorOf(orders, weights));
    const kernel: number[][] = vectors.map(() => []);
    for (const [i, candidate] of vectors.entries())
      for (let j = i; j < vectors.length; j++) {
        const value = 10 * similarity(candidate, vectors[j]!, weights, 'D');
        kernel[i]![j] = value;
        kernel[j]![i] = value;
      }
    return kernel;
  });
}

/** N-grams are numbered, so that each is looked up as a string once and by its number from there on. */
function numberNgrams(given: ReadFrequencies | undefined) {
  const numbers = new Map<string, number>();
  const documents: number[] = [];
  const numberOf = (ngram: string) => {
    let number = numbers.get(ngram);
    if (number === undefined) {
      number = documents.length;
      numbers.set(ngram, number);
      documents.push(given?.counts.get(ngram) ?? 0);
    }
    return number;
  };
  return { documents, numberOf };
}

/** What each n-gram weighs, by its number. One of no document counts as one of a single document. */
function weightsOf(documents: readonly number[], images: number): number[] {
  const logImages = Math.log(images);
  return documents.map((count) => logImages - Math.log(Math.max(1, count)));
}

/** Adds one image, of which an n-gram counts once however many references have it. */
function countDocument(documents: number[], references: readonly (readonly NgramCounts<number>[])[]): void {
  const seen = new Set<number>();
  for (const orders of references) for (const counts of orders) for (const ngram of counts.keys()) seen.add(ngram);
  for (const ngram of seen) documents[ngram]!++;
}

/**
 * A caption as one sparse vector per order, each count times the weight of its n-gram. `length` is the number of
 * bigrams, so that it is 0 for a single word too.
 */
type Vector = { orders: readonly NgramCounts<number>[]; norms: number[]; length: number };

function vectorOf(orders: readonly NgramCounts<number>[], weights: readonly number[]): Vector {
  const norms = orders.map((counts) => {
    let squares = 0;
    for (const [ngram, count] of counts) squares += (count * weights[ngram]!) ** 2;
    return Math.sqrt(squares);
  });
  let length = 0;
  for (const count of orders[1]!.values()) length += count;
  return { orders, norms, length };
}

/** The mean over orders of the cosine, with clipping and damping in CIDEr-D. */
function similarity(
  candidate: Vector,
  reference: Vector,
  weights: readonly number[],
  variant: 'D' | 'original',
): number {
  const difference = candidate.length - reference.length;
  const damping = variant === 'D' ? Math.exp(-(difference ** 2) / (2 * SIGMA ** 2)) : 1;
  const cosines = candidate.orders.map((counts, index) => {
    const norms = candidate.norms[index]! * reference.norms[index]!;
    let product = 0;
    for (const [ngram, count] of counts) {
      const referenceCount = reference.orders[index]!.get(ngram);
      if (referenceCount === undefined) continue;
      const weight = count * weights[ngram]!;
      const other = referenceCount * weights[ngram]!;
      product += (variant === 'D' ? Math.min(weight, other) : weight) * other;
    }
    return norms === 0 ? product : product / norms;
  });
  return damping * mean(cosines);
}
