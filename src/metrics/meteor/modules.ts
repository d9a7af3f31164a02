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
  for (const [place, word] of reference.words.entries()) {
    const first = reference.firstPlaces[place]!;
    starts.push(first < place ? starts[first]! : wordOptions(word, candidate.words));
  }
  if (paraphrases && reference.phrases && candidate.phrases)
    for (const [start, found] of byStart(paraphrases.matches(reference.phrases, candidate.phrases)))
      starts[start] = [...starts[start]!, ...found];
  return { starts, fixed: fixedStarts(starts, candidate.words.length) };
}

/** Exact matches, then stems, then synonyms, the latter two of words that differ. */
function wordOptions(word: Word, candidate: readonly Word[]): Option[] {
  const exact: Option[] = [];
  const stems: Option[] = [];
  const synonyms: Option[] = [];
  for (const [place, other] of candidate.entries()) {
    if (other.hash === word.hash) exact.push(wordOption(EXACT, place));
    else {
      if (other.stemHash === word.stemHash) stems.push(wordOption(STEM, place));
      if (shareSynset(other, word)) synonyms.push(wordOption(SYNONYM, place));
    }
  }
  return stems.length + synonyms.length === 0 ? exact : [...exact, ...stems, ...synonyms];
}

function wordOption(module: number, candidateStart: number): Option {
  return { module, referenceLength: 1, candidateStart, candidateLength: 1 };
}

function shareSynset(a: Word, b: Word): boolean {
  const [few, many] = a.synsets.size < b.synsets.size ? [a.synsets, b.synsets] : [b.synsets, a.synsets];
  for (const number of few) if (many.has(number)) return true;
  return false;
}

function byStart(matches: readonly Match[]): Map<number, Option[]> {
  const starts = new Map<number, Option[]>();
  for (const { referenceStart, ...option } of matches) {
    const options = starts.get(referenceStart);
    if (options) options.push(option);
    else starts.set(referenceStart, [option]);
  }
  return starts;
}

function fixedStarts(starts: Options['starts'], candidateLength: number): boolean[] {
  const ofReference = new Uint32Array(starts.length);
  const ofCandidate = new Uint32Array(candidateLength);
  for (const [start, options] of starts.entries())
    for (const option of options) {
      for (let i = 0; i < option.referenceLength; i++) ofReference[start + i]!++;
      for (let i = 0; i < option.candidateLength; i++) ofCandidate[option.candidateStart + i]!++;
    }
  const once = (coverage: Uint32Array, start: number, length: number) =>
    coverage.subarray(start, start + length).every((count) => count === 1);
  return starts.map(([option, ...more], start) => {
    if (!option || more.length > 0) return false;
    return (
      once(ofReference, start, option.referenceLength) &&
      once(ofCandidate, option.candidateStart, option.candidateLength)
    );
  });
}
