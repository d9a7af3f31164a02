import { countChunks } from './align';
import { type Match, MODULES } from './match';
import type { Sentence } from './sentence';

/**
 * 23 numbers, as METEOR prints them: words of the candidate, of the reference, function words of the candidate, of the
 * reference; for each module in the order of `MODULES` the matched content words of the candidate, of the reference, the
 * matched function words of the candidate, of the reference; chunks; matched words of the candidate, of the reference.
 */
export type MeteorStatistics = readonly number[];

/** All are fractions. `penalty` is NaN where nothing matches, `precision` and `recall` where there are no words; `score` never. */
export type MeteorScore = { score: number; precision: number; recall: number; fMean: number; penalty: number };

const PER_MODULE = 4;
const FIRST_MODULE = 4;
const CHUNKS = FIRST_MODULE + PER_MODULE * MODULES.length;

// METEOR 1.5's parameters for English, tuned to people's rankings.
const ALPHA = 0.85;
const BETA = 0.2;
const GAMMA = 0.6;
const DELTA = 0.75;
/** Of `MODULES`. */
const MODULE_WEIGHTS = [1, 0.6, 0.8, 0.6] as const;

/** What is counted of one candidate against one reference. */
export function statisticsOf(candidate: Sentence, reference: Sentence, matches: readonly Match[]): number[] {
  const statistics = new Array<number>(CHUNKS + 3).fill(0);
  statistics[0] = candidate.words.length;
  statistics[1] = reference.words.length;
  statistics[2] = candidate.functionWords;
  statistics[3] = reference.functionWords;
  for (const { module, referenceStart, referenceLength, candidateStart, candidateLength } of matches) {
    const first = FIRST_MODULE + PER_MODULE * module;
    for (let i = 0; i < candidateLength; i++)
      statistics[candidate.words[candidateStart + i]!.isFunctionWord ? first + 2 : first]!++;
    for (let i = 0; i < referenceLength; i++)
      statistics[reference.words[referenceStart + i]!.isFunctionWord ? first + 3 : first + 1]!++;
    statistics[CHUNKS + 1]! += candidateLength;
    statistics[CHUNKS + 2]! += referenceLength;
  }
  statistics[CHUNKS] = countChunks(matches);
  return statistics;
}

/** The statistics of a corpus. A caption that matches as a whole brings no chunk into the sum. */
export function sumStatistics(all: readonly MeteorStatistics[]): number[] {
  const sum = new Array<number>(CHUNKS + 3).fill(0);
  for (const statistics of all) {
    for (const [index, value] of statistics.entries()) sum[index]! += value;
    if (matchesAsWhole(statistics)) sum[CHUNKS]!--;
  }
  return sum;
}

/** All words of both sides, in one chunk. */
function matchesAsWhole(statistics: MeteorStatistics): boolean {
  const [chunks, candidateMatches, referenceMatches] = statistics.slice(CHUNKS);
  return chunks === 1 && candidateMatches === statistics[0] && referenceMatches === statistics[1];
}

/**
 * METEOR of one caption, or of a corpus from its summed statistics.
 *
 * @see Denkowski & Lavie 2014, https://aclanthology.org/W14-3348, section 2.2
 */
export function meteorScore(statistics: MeteorStatistics): MeteorScore {
  const [candidateLength, referenceLength, candidateFunctionWords, referenceFunctionWords] = statistics as number[];
  const [chunks, candidateMatches, referenceMatches] = statistics.slice(CHUNKS) as number[];
  const precision = weightedMatches(statistics, 0) / weightedLength(candidateLength!, candidateFunctionWords!);
  const recall = weightedMatches(statistics, 1) / weightedLength(referenceLength!, referenceFunctionWords!);
  const fMean = 1 / ((1 - ALPHA) / precision + ALPHA / recall);
  const fragmentation = matchesAsWhole(statistics) ? 0 : chunks! / ((candidateMatches! + referenceMatches!) / 2);
  const penalty = GAMMA * fragmentation ** BETA;
  const score = fMean * (1 - penalty);
  return { score: Number.isNaN(score) ? 0 : Math.max(score, 0), precision, recall, fMean, penalty };
}

function weightedLength(words: number, functionWords: number): number {
  return DELTA * (words - functionWords) + (1 - DELTA) * functionWords;
}

/** @param side - 0 for the candidate, 1 for the reference */
function weightedMatches(statistics: MeteorStatistics, side: 0 | 1): number {
  let sum = 0;
  let at = FIRST_MODULE + side;
  for (const weight of MODULE_WEIGHTS) {
    sum += statistics[at]! * weight * DELTA;
    at += PER_MODULE;
  }
  at = FIRST_MODULE + side + 2;
  for (const weight of MODULE_WEIGHTS) {
    sum += statistics[at]! * weight * (1 - DELTA);
    at += PER_MODULE;
  }
  return sum;
}
