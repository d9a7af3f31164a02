import { UsageError } from '../core/errors';
import { bleu, cider, type DocumentFrequencies, tokenizeCaption } from '../metrics';

/** How alike two captions are: what `minimumBayesRisk` compares candidates with. */
export type Similarity = (candidate: string, reference: string) => number;

/** The mean of BLEU-1 to BLEU-4 against one reference: BLEU-4 alone is 0 for most pairs of short captions. */
export const bleuSimilarity: Similarity = (candidate, reference) => {
  const metric = bleu();
  metric.update(tokenizeCaption(candidate), [tokenizeCaption(reference)]);
  const [scores] = metric.compute().segments;
  return (scores!['BLEU-1'] + scores!['BLEU-2'] + scores!['BLEU-3'] + scores!['BLEU-4']) / 4;
};

/**
 * CIDEr-D against one reference.
 *
 * @param documentFrequencies - of a corpus such as the training captions; a pair of captions by itself has none that tell
 * common words from rare ones
 */
export function ciderSimilarity(documentFrequencies: DocumentFrequencies): Similarity {
  if (!documentFrequencies)
    throw new UsageError(
      'ciderSimilarity() needs the document frequencies of a corpus: documentFrequencies(...) counts them.',
    );
  const { images, counts } = documentFrequencies;
  return (candidate, reference) => {
    const tokens = [candidate, reference].map(tokenizeCaption) as [string[], string[]];
    // Only those of the two captions: a whole corpus would be read anew for every pair.
    const own = tokens.flatMap(ngrams).filter((ngram) => Object.hasOwn(counts, ngram));
    const metric = cider({
      documentFrequencies: { images, counts: Object.fromEntries(own.map((ngram) => [ngram, counts[ngram]!])) },
    });
    metric.update(tokens[0], [tokens[1]]);
    return metric.compute().corpus.CIDEr;
  };
}

/** Of one to four words, joined by spaces as in `DocumentFrequencies`. */
function ngrams(tokens: readonly string[]): string[] {
  return [1, 2, 3, 4].flatMap((size) =>
    Array.from({ length: Math.max(0, tokens.length - size + 1) }, (_, at) => tokens.slice(at, at + size).join(' ')),
  );
}
