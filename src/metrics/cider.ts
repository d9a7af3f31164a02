import { ciderSimilarity } from './ciderSimilarity';
import { type DocumentFrequencies, imageCounter, readDocumentFrequencies } from './documentFrequencies';
import { accumulate, type Metric, mean, type Scores, type Tokens } from './metric';
import { NgramNumbers, type NumberedNgrams } from './ngramNumbers';
import { splitTokens } from './ngrams';

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
  const numbers = new NgramNumbers();
  const captions = segments.map(({ candidate, references }) => ({
    candidate: numbers.add(candidate),
    references: references.map((reference) => numbers.add(reference)),
  }));
  const documents = captions.map(({ references }) => references);
  const { vectorOf, similarity } = ciderSimilarity(weightsOf(numbers, documents, given), variant);
  return captions.map(({ candidate, references }) => {
    const vector = vectorOf(candidate);
    return 10 * mean(references.map((reference) => similarity(vector, vectorOf(reference))));
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
  const numbers = new NgramNumbers();
  const documents = sets.map((captions) => captions.map((tokens) => numbers.add(splitTokens(tokens))));
  const { vectorOf, similarity } = ciderSimilarity(weightsOf(numbers, documents, given), 'D');
  return documents.map((captions) => {
    const vectors = captions.map(vectorOf);
    const kernel: number[][] = vectors.map(() => []);
    for (const [i, candidate] of vectors.entries())
      for (let j = i; j < vectors.length; j++) {
        const value = 10 * similarity(candidate, vectors[j]!);
        kernel[i]![j] = value;
        kernel[j]![i] = value;
      }
    return kernel;
  });
}

/** What each n-gram weighs, by its number. One of no document counts as one of a single document. */
function weightsOf(
  numbers: NgramNumbers,
  documents: readonly (readonly NumberedNgrams[])[],
  given: ReadFrequencies | undefined,
): Float64Array {
  const counter = imageCounter();
  if (!given) for (const captions of documents) counter.add(captions);
  const counts = given ? numbers.texts().map((ngram) => given.counts.get(ngram)) : counter.counts;
  const logImages = Math.log(given?.images ?? documents.length);
  return Float64Array.from(
    { length: numbers.size },
    (_, ngram) => logImages - Math.log(Math.max(1, counts[ngram] ?? 0)),
  );
}
