import { UsageError } from '../core/errors';
import type { Dataset } from '../data/types';
import { bleuScores, bleuStatistics } from '../metrics/bleu';
import { ciderSimilarity } from '../metrics/ciderSimilarity';
import { type DocumentFrequencies, documentFrequencies, readDocumentFrequencies } from '../metrics/documentFrequencies';
import { meteorStatistics } from '../metrics/meteor';
import type { MeteorData } from '../metrics/meteor/data';
import { meteorScore } from '../metrics/meteor/statistics';
import { mean, type Tokens } from '../metrics/metric';
import { NgramNumbers } from '../metrics/ngramNumbers';
import { splitTokens } from '../metrics/ngrams';
import { tokenizeCaption } from '../metrics/tokenizeCaption';

/** A caption that was generated: its words as `tokenizeCaption` gives them, and whether the end token was reached. */
export type RewardedCaption = { tokens: Tokens; ended: boolean };

/** Scores captions of one picture, one number for each, against its references, as `tokenizeCaption` gives them. */
export type Reward = (captions: readonly RewardedCaption[], references: readonly Tokens[]) => number[];

/**
 * The word that stands for the end token. No token of a caption has capitals.
 *
 * CIDEr-D and BLEU count it in captions that were ended and in all references, as the authors' code does: without it a caption
 * that breaks off, "a dog in a", costs nothing, and captioners learn to break off. METEOR, which looks at words as words,
 * does without.
 *
 * @see Rennie et al. 2017, https://arxiv.org/abs/1612.00563, section 3
 */
export const END_WORD = 'END';

const withEnd = ({ tokens, ended }: RewardedCaption): Tokens => (ended ? [...tokens, END_WORD] : tokens);
const complete = (tokens: Tokens): Tokens => [...tokens, END_WORD];

/** In how many pictures n-grams occur, the end word included: what `ciderReward` weighs them by. Reads no picture. */
export async function rewardFrequencies(data: Dataset): Promise<DocumentFrequencies> {
  const corpus: Tokens[][] = [];
  for await (const { captions } of data) corpus.push(captions.map((caption) => complete(tokenizeCaption(caption))));
  return documentFrequencies(corpus);
}

/**
 * CIDEr-D x 10 as `cider` computes it, with the end word.
 *
 * @param frequencies - of the training captions, as `rewardFrequencies` counts them
 */
export function ciderReward(frequencies: DocumentFrequencies): Reward {
  const { images, counts } = readDocumentFrequencies(frequencies);
  const logImages = Math.log(images);
  return (captions, references) => {
    const numbers = new NgramNumbers();
    const numbered = (tokens: Tokens) => numbers.add(splitTokens(tokens));
    const candidates = captions.map((caption) => numbered(withEnd(caption)));
    const truths = references.map((reference) => numbered(complete(reference)));
    const weights = numbers.texts().map((ngram) => logImages - Math.log(Math.max(1, counts.get(ngram) ?? 0)));
    const { vectorOf, similarity } = ciderSimilarity(Float64Array.from(weights), 'D');
    const vectors = truths.map(vectorOf);
    return candidates.map((candidate) => {
      const vector = vectorOf(candidate);
      return 10 * mean(vectors.map((reference) => similarity(vector, reference)));
    });
  };
}

/** BLEU of up to `order` words, of the caption by itself, as the segments of `bleu`, with the end word. From 0 to 1. */
export function bleuReward(order: 1 | 2 | 3 | 4 = 4): Reward {
  return (captions, references) => {
    const truths = references.map(complete);
    const { segments } = bleuScores(captions.map((caption) => bleuStatistics(withEnd(caption), truths)));
    return segments.map((scores) => scores[`BLEU-${order}`]);
  };
}

/** METEOR of the caption by itself, without the end word. From 0 to 1. Data without paraphrases leaves that module out. */
export function meteorReward(data: MeteorData): Reward {
  return (captions, references) =>
    captions.map(({ tokens }) => meteorScore(meteorStatistics(tokens, references, data)).score);
}

/** The sum of rewards, each times its weight. */
export function mixedReward(parts: readonly { reward: Reward; weight: number }[]): Reward {
  return (captions, references) => {
    const scores = parts.map(({ reward }) => reward(captions, references));
    return captions.map((_, i) => parts.reduce((sum, { weight }, part) => sum + weight * scores[part]![i]!, 0));
  };
}

const REWARD_NAMES = ['cider', 'bleu', 'bleu1', 'bleu2', 'bleu3', 'bleu4', 'meteor'] as const;

export type RewardName = (typeof REWARD_NAMES)[number];

/**
 * Reads a mix such as `cider+0.5*bleu`. `bleu` is BLEU-4.
 *
 * @throws UsageError that names the part which cannot be read
 */
export function parseReward(text: string): { name: RewardName; weight: number }[] {
  return text.split('+').map((part) => {
    const [, factor, name] = /^\s*(?:([\d.]+(?:e-?\d+)?)\s*\*\s*)?([a-z]\w*)\s*$/i.exec(part) ?? [];
    const known = REWARD_NAMES.find((each) => each === name?.toLowerCase());
    const weight = factor === undefined ? 1 : Number(factor);
    if (known && Number.isFinite(weight) && weight > 0) return { name: known, weight };
    throw new UsageError(
      `The reward '${text}' cannot be read at '${part.trim()}'. Give metrics joined by +, each with a weight above 0 if it is ` +
        `not 1, such as cider+0.5*bleu. The metrics are ${REWARD_NAMES.join(', ')}.`,
    );
  });
}

/** What the rewards of a mix need. */
export type RewardSources = { frequencies?: DocumentFrequencies; meteorData?: MeteorData };

/**
 * The reward that `parseReward` reads.
 *
 * @throws UsageError where what a part needs was not given
 */
export function rewardOf(text: string, { frequencies, meteorData }: RewardSources): Reward {
  const parts = parseReward(text).map(({ name, weight }) => {
    if (name === 'cider') return { reward: ciderReward(needed(name, 'frequencies', frequencies)), weight };
    if (name === 'meteor') return { reward: meteorReward(needed(name, 'meteorData', meteorData)), weight };
    return { reward: bleuReward(name === 'bleu' ? 4 : (Number(name.slice(4)) as 1 | 2 | 3 | 4)), weight };
  });
  return mixedReward(parts);
}

function needed<T>(reward: string, what: string, value: T | undefined): T {
  if (value !== undefined) return value;
  const maker = what === 'frequencies' ? 'rewardFrequencies(data)' : 'loadMeteorData()';
  throw new UsageError(`The reward ${reward} needs ${what}, which ${maker} makes.`);
}
