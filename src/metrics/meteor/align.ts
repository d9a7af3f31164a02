import { type Match, MODULES } from './match';
import { matchOptions } from './modules';
import type { ParaphraseTable } from './paraphrases';
import { search } from './search';
import type { Sentence } from './sentence';

const EXACT = MODULES.indexOf('exact');

/**
 * The matches that METEOR chooses between two sentences, by their places in the reference: as many words as possible in
 * as few chunks as possible, as far as its search finds them.
 *
 * @see Denkowski & Lavie 2014, https://aclanthology.org/W14-3348, section 2.1; where the program differs from it, this
 *   follows the program
 */
export function align(candidate: Sentence, reference: Sentence, paraphrases?: ParaphraseTable): Match[] {
  if (sameWords(candidate, reference)) return reference.words.map((_, place) => wordWithItself(place));
  return search(matchOptions(candidate, reference, paraphrases), candidate.words.length);
}

/**
 * Of equal sentences METEOR looks at exact matches alone, and finds each word matched with itself: that path leads its
 * search from the first word to the last, for it has the most matches, no closed chunk and no distance, and is found before
 * its equals.
 */
function sameWords(candidate: Sentence, reference: Sentence): boolean {
  return (
    candidate.words.length === reference.words.length &&
    candidate.words.every(({ hash }, place) => hash === reference.words[place]!.hash)
  );
}

function wordWithItself(place: number): Match {
  return { module: EXACT, referenceStart: place, referenceLength: 1, candidateStart: place, candidateLength: 1 };
}

/** Runs of matches that go on without a gap in both sentences. */
export function countChunks(matches: readonly Match[]): number {
  let chunks = 0;
  let [referenceEnd, candidateEnd] = [-1, -1];
  for (const { referenceStart, referenceLength, candidateStart, candidateLength } of matches) {
    if (referenceStart !== referenceEnd || candidateStart !== candidateEnd) chunks++;
    [referenceEnd, candidateEnd] = [referenceStart + referenceLength, candidateStart + candidateLength];
  }
  return chunks;
}
