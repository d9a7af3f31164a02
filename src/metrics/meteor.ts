import { ScoringError } from './errors';
import { align } from './meteor/align';
import type { MeteorData } from './meteor/data';
import type { Match } from './meteor/match';
import { analyse, analysePlain, type Sentence } from './meteor/sentence';
import { type MeteorStatistics, meteorScore, statisticsOf, sumStatistics } from './meteor/statistics';
import { accumulate, type Metric, type Scores, type Tokens } from './metric';

export type MeteorName = 'METEOR' | 'METEOR (without paraphrases)';

export type MeteorOptions = {
  /** From `loadMeteorData()`. */
  data: MeteorData;
  /** False leaves the module of paraphrases out, which is not METEOR 1.5 and has a name of its own. */
  paraphrases?: boolean;
};

export type MeteorMetric<Name extends MeteorName = MeteorName> = Metric<
  Scores<Name, MeteorStatistics>,
  MeteorStatistics
>;

/** Two sentences as METEOR sees them, and which of their words it takes for the same. */
export type MeteorAlignment = {
  candidate: string[];
  reference: string[];
  /** By their places in the reference; a word is in one match at most. */
  matches: Match[];
};

/**
 * METEOR 1.5 for English as pycocoevalcap 1.2 runs it (`-l en -norm`, parameters of the rank task). Of several references the
 * one with the best score counts, the first of equals. The corpus score comes from summed statistics; it is not the mean of
 * segments. The state is each segment's statistics.
 *
 * @throws ScoringError where the data has no paraphrases, and they were not declined
 * @see Denkowski & Lavie 2014, https://aclanthology.org/W14-3348
 */
export function meteor(options: MeteorOptions & { paraphrases: false }): MeteorMetric<'METEOR (without paraphrases)'>;
export function meteor(options: MeteorOptions & { paraphrases?: true }): MeteorMetric<'METEOR'>;
export function meteor(options: MeteorOptions): MeteorMetric;
export function meteor({ data: all, paraphrases = true }: MeteorOptions): MeteorMetric {
  if (paraphrases && !all.paraphrases)
    throw new ScoringError(
      "METEOR's data was loaded without its paraphrases, and the score would not be METEOR 1.5. Load it with them, or ask for the score without: meteor({ data, paraphrases: false }).",
    );
  const { functionWords } = all;
  const data = paraphrases ? all : { functionWords, synsets: (word: string) => all.synsets(word) };
  const name = paraphrases ? 'METEOR' : 'METEOR (without paraphrases)';
  return accumulate(
    (candidate, references) => meteorStatistics(candidate, references, data),
    (segments) => meteorScores(segments, name),
  );
}

/** Scores of a corpus, and of each of its captions, from their statistics. */
export function meteorScores<Name extends MeteorName>(
  segments: readonly MeteorStatistics[],
  name: Name,
): Scores<Name, MeteorStatistics> {
  const scores = (statistics: MeteorStatistics) => ({ [name]: meteorScore(statistics).score }) as Record<Name, number>;
  return {
    corpus: scores(sumStatistics(segments)),
    segments: segments.map(scores),
    details: segments.map((statistics) => ({ 'METEOR statistics': statistics })),
  };
}

/**
 * The statistics of a candidate against the one of its references that scores best, the first of equals.
 *
 * @throws ScoringError where there is no reference
 */
export function meteorStatistics(candidate: Tokens, references: readonly Tokens[], data: MeteorData): number[] {
  if (references.length === 0) throw new ScoringError('A candidate needs at least one reference.');
  const sentence = candidateSentence(candidate, data);
  let [best, bestScore] = [[] as number[], -1];
  for (const reference of referenceSentences(references, data)) {
    const statistics = statisticsOf(sentence, reference, align(sentence, reference, data.paraphrases));
    const { score } = meteorScore(statistics);
    if (score > bestScore) [best, bestScore] = [statistics, score];
  }
  return best;
}

/** Which words METEOR takes for the same in a candidate and one reference. */
export function meteorAlignment(candidate: Tokens, reference: Tokens, data: MeteorData): MeteorAlignment {
  const [a, b] = [candidateSentence(candidate, data), analyse(reference.join(' '), data)];
  const texts = ({ words }: Sentence) => words.map(({ text }) => text);
  return { candidate: texts(a), reference: texts(b), matches: align(a, b, data.paraphrases) };
}

/** pycocoevalcap writes all sentences into one line, with bars between them, which it takes out of the candidate. */
function candidateSentence(tokens: Tokens, data: MeteorData): Sentence {
  return analysePlain(tokens, data) ?? analyse(tokens.join(' ').replaceAll('|||', '').replaceAll('  ', ' '), data);
}

/** Bars in a reference end it there, and what comes after them counts as another reference. */
function referenceSentences(references: readonly Tokens[], data: MeteorData): Sentence[] {
  return references.flatMap(
    (tokens) =>
      analysePlain(tokens, data) ??
      tokens
        .join(' ')
        .split('|||')
        .map((line) => analyse(line, data)),
  );
}
