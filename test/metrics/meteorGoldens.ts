import { loadMeteorData, type MeteorData, meteor, meteorAlignment, meteorScore } from '../../src/metrics/index';
import { normaliseText } from '../../src/metrics/meteor/normalise';
import { analyse } from '../../src/metrics/meteor/sentence';
import { statisticsOf } from '../../src/metrics/meteor/statistics';
import { stem } from '../../src/metrics/meteor/stem';
import type { Close } from './diversityGoldens';

/** Called for each string of a golden, which has to be the same. */
export type Same = (what: string, actual: string, wanted: string) => void;

export type StemsFile = Record<string, string>;
export type NormalisedFile = { text: string; normalized: string }[];

/** One candidate against one reference; numbers in strings as Java writes them. */
export type Alignment = {
  test: string;
  reference: string;
  stats: string;
  score: number;
  precision: string;
  recall: string;
  fmean: string;
  penalty: string;
  words1: string;
  words2: string;
  /** module, start and length in the reference, start and length in the candidate */
  matches: [number, number, number, number, number][];
};

export type MeteorExpected = { corpus: number; segment: number[]; stats: string[] };
export type TokenizedItem = { id: string | number; candidateTokens: string; referenceTokens: string[] };

export const data: MeteorData = await loadMeteorData();

const split = (tokens: string) => tokens.split(' ').filter((token) => token !== '');

export function compareStems(file: StemsFile, same: Same): void {
  for (const [word, expected] of Object.entries(file)) same(`the stem of ${word}`, stem(word), expected);
}

export function compareNormalised(file: NormalisedFile, same: Same): void {
  for (const { text, normalized } of file) same(JSON.stringify(text), normaliseText(text), normalized);
}

export function compareAlignments(pairs: readonly Alignment[], same: Same, close: Close): void {
  for (const pair of pairs) {
    const what = `${JSON.stringify(pair.test)} against ${JSON.stringify(pair.reference)}`;
    const { candidate, reference, matches } = meteorAlignment(split(pair.test), split(pair.reference), data);
    same(`the candidate of ${what}`, candidate.join(' '), pair.words1);
    same(`the reference of ${what}`, reference.join(' '), pair.words2);
    const found = matches.map((match) => [
      match.module,
      match.referenceStart,
      match.referenceLength,
      match.candidateStart,
      match.candidateLength,
    ]);
    same(`the alignment of ${what}`, JSON.stringify(found), JSON.stringify(pair.matches));
    const statistics = statisticsOf(analyse(pair.test, data), analyse(pair.reference, data), matches);
    same(`the statistics of ${what}`, asJava(statistics), pair.stats);
    const { score, precision, recall, fMean, penalty } = meteorScore(statistics);
    close(`the score of ${what}`, score, pair.score);
    for (const [name, actual, wanted] of [
      ['precision', precision, pair.precision],
      ['recall', recall, pair.recall],
      ['fmean', fMean, pair.fmean],
      ['penalty', penalty, pair.penalty],
    ] as const)
      if (wanted === 'NaN') same(`the ${name} of ${what}`, `${actual}`, wanted);
      else close(`the ${name} of ${what}`, actual, Number(wanted));
  }
}

export function compareMeteor(items: readonly TokenizedItem[], expected: MeteorExpected, same: Same, close: Close) {
  const metric = meteor({ data });
  for (const { candidateTokens, referenceTokens } of items)
    metric.update(split(candidateTokens), referenceTokens.map(split));
  const { corpus, segments, details } = metric.compute();
  close('METEOR', corpus.METEOR, expected.corpus);
  for (const [index, { id }] of items.entries()) {
    same(`METEOR's statistics of ${id}`, asJava(details![index]!['METEOR statistics']!), expected.stats[index]!);
    close(`METEOR of ${id}`, segments[index]!.METEOR, expected.segment[index]!);
  }
}

function asJava(statistics: readonly number[]): string {
  return statistics.map((value) => value.toFixed(1)).join(' ');
}
