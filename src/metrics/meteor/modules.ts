import { type Match, MODULES } from './match';
import type { ParaphraseTable } from './paraphrases';
import type { Sentence, Word } from './sentence';

/** A match without its place in the reference, so that all places of one word share it. */
export type Option = Omit<Match, 'referenceStart'>;

/** Everything that could be matched between two sentences. */
export type Options = {
  /** For each word of the reference the matches that start there, in the order in which METEOR finds them. */
  starts: readonly (readonly Option[])[];
  /** Where the one match is beyond doubt: nothing else touches any of its words, on either side. */
  fixed: readonly boolean[];
};

const EXACT = MODULES.indexOf('exact');
const STEM = MODULES.indexOf('stem');
const SYNONYM = MODULES.indexOf('synonym');

/** Runs the modules, of which each sees all words, whatever the others found. */
export function matchOptions(candidate: Sentence, reference: Sentence, paraphrases?: ParaphraseTable): Options {
  const starts: (readonly Option[])[] = [];
  for (const word of reference.words) {
    const first = reference.words.indexOf(word);
    starts.push(starts[first] ?? wordOptions(word, candidate.words));
  }
  if (paraphrases && reference.phrases && candidate.phrases)
    for (const [start, found] of byStart(paraphrases.matches(reference.phrases, candidate.phrases)))
      starts[start] = [...starts[start]!, ...found];
  return { starts, fixed: fixedStarts(starts, candidate.words.length) };
}

/** Exact matches, then stems, then synonyms, the latter two of words that differ. */
function wordOptions({ hash, stemHash, synonyms }: Word, candidate: readonly Word[]): readonly Option[] {
  const exact: Option[] = [];
  const stems: Option[] = [];
  const others: Option[] = [];
  for (let place = 0; place < candidate.length; place++) {
    const word = candidate[place]!;
    if (word.hash === hash) exact.push(wordOption(EXACT, place));
    else {
      if (word.stemHash === stemHash) stems.push(wordOption(STEM, place));
      if (synonyms.size > 0 && synonyms.has(word)) others.push(wordOption(SYNONYM, place));
    }
  }
  return stems.length + others.length === 0 ? exact : exact.concat(stems, others);
}

function wordOption(module: number, candidateStart: number): Option {
  return { module, referenceLength: 1, candidateStart, candidateLength: 1 };
}

function byStart(matches: readonly Match[]): Map<number, Option[]> {
  const starts = new Map<number, Option[]>();
  for (const match of matches) {
    const options = starts.get(match.referenceStart);
    if (options) options.push(match);
    else starts.set(match.referenceStart, [match]);
  }
  return starts;
}

function fixedStarts(starts: Options['starts'], candidateLength: number): boolean[] {
  const ofReference = new Uint32Array(starts.length);
  const ofCandidate = new Uint32Array(candidateLength);
  for (let start = 0; start < starts.length; start++)
    for (const { referenceLength, candidateStart, candidateLength } of starts[start]!) {
      for (let i = start; i < start + referenceLength; i++) ofReference[i]!++;
      for (let i = candidateStart; i < candidateStart + candidateLength; i++) ofCandidate[i]!++;
    }
  return starts.map((options, start) => {
    const [option] = options;
    if (!option || options.length > 1) return false;
    const { referenceLength, candidateStart, candidateLength } = option;
    return isOnce(ofReference, start, referenceLength) && isOnce(ofCandidate, candidateStart, candidateLength);
  });
}

function isOnce(coverage: Uint32Array, start: number, length: number): boolean {
  for (let i = start; i < start + length; i++) if (coverage[i] !== 1) return false;
  return true;
}
