import * as tf from '@tensorflow/tfjs';
import { type Captioner, type CaptionOptions, type CaptionText, captionFeatures } from '../captioner';
import { expectPositive, expectWhole, UsageError } from '../core/errors';
import { beam } from '../decoders/search/beam';
import { greedy } from '../decoders/search/greedy';
import { sample } from '../decoders/search/sample';
import type { Search } from '../decoders/search/types';
import { mean } from '../metrics/metric';
import { tokenizeCaption } from '../metrics/tokenizeCaption';
import { type CaptionBatch, captionBatch } from './captionBatch';
import { type Said, wordLoss } from './losses';
import type { Lesson, LessonInput, Objective } from './objective';
import type { Reward, RewardedCaption } from './rewards';

/**
 * What the reward of a sample is compared with: the mean reward of the picture's other samples, or the reward of the caption
 * that the captioner gives greedily or by a beam.
 */
export type Baseline = 'others' | 'greedy' | { beamSize: number; lengthPenalty?: number };

export type SelfCriticalOptions = {
  reward: Reward;
  /** Default `others`, which costs no further search. */
  baseline?: Baseline;
  /**
   * Samples are drawn from softmax(logits / temperature), and it is their probability there that is learned: below 1 for
   * captioners whose plain samples are poor, such as those that were trained with label smoothing. Default 1.
   */
  temperature?: number;
  /** Most tokens of a sample, the end token included. Default: what the captioner generates. */
  maxLength?: number;
};

/** Samples of a few pictures are drawn together, because pictures of one search meet the same noise. */
const DRAWN_TOGETHER = 5;

/**
 * Self-critical sequence training: captions are sampled, `captionsPerImage` of every picture, and those that earn more than
 * the baseline become likelier, the others less likely. The mean gradient is that of the expected reward. It begins from a
 * captioner that has learned from true captions, at a small learning rate.
 *
 * A step's `figures` are the mean reward of its samples and their mean baseline.
 *
 * @see Rennie et al. 2017, https://arxiv.org/abs/1612.00563, equations 7 and 9; the mean of the other samples: Kool et al. 2019,
 * https://openreview.net/forum?id=r1lgTGL5DE. Departures from the authors' code: the loss is a mean over captions, not over
 * words; without dropout, in samples and in the pass; tokens that the captioner never says have no probability in either.
 */
export function selfCritical({
  reward,
  baseline = 'others',
  temperature = 1,
  maxLength,
}: SelfCriticalOptions): Objective {
  expectPositive('temperature', temperature);
  if (maxLength !== undefined) expectWhole('maxLength', maxLength, 1);
  const search = baselineSearch(baseline);
  return {
    ownCaptions: true,
    settings: {
      objective: 'self-critical',
      baseline: typeof baseline === 'string' ? baseline : `beam ${baseline.beamSize}`,
      temperature,
    },
    async lesson(given) {
      const { captioner, examples, captionsPerImage } = given;
      if (!search && captionsPerImage < 2)
        throw new UsageError(
          "With one sample per picture there are no others to compare it with. Give captionsPerImage, or baseline: 'greedy'.",
        );
      const { signal, features } = given;
      const options = { ...(maxLength !== undefined && { maxLength }), ...(signal && { signal }) };
      const samples = await drawSamples(given, temperature, options);
      const compared = search && (await captionFeatures(captioner, features, { search, ...options }));
      const advantages: number[] = [];
      const rewards: number[] = [];
      for (const [picture, { captions }] of examples.entries()) {
        const references = captions.map(tokenizeCaption);
        const drawn = samples.slice(picture * captionsPerImage, (picture + 1) * captionsPerImage);
        const known = compared ? [compared[picture]!] : [];
        const judged = [...drawn, ...known].map((each) => rewarded(each, captioner));
        const scores = checkedScores(reward(judged, references), judged.length);
        const own = scores.slice(0, captionsPerImage);
        rewards.push(...own);
        advantages.push(...(compared ? own.map((score) => score - scores.at(-1)!) : aboveOthers(own)));
      }
      const averageReward = mean(rewards);
      const figures = { reward: averageReward, baseline: averageReward - mean(advantages) };
      return { ...policyLesson(captioner, samples, advantages, temperature), figures };
    },
  };
}

function baselineSearch(baseline: Baseline): Search | undefined {
  if (baseline === 'others') return undefined;
  if (baseline === 'greedy') return greedy();
  expectWhole('baseline.beamSize', baseline.beamSize, 1);
  return beam(baseline);
}

/** `captionsPerImage` samples of every picture, in order. */
async function drawSamples(
  { captioner, features, captionsPerImage, random }: LessonInput,
  temperature: number,
  options: CaptionOptions,
): Promise<CaptionText[]> {
  const [images, positions, size] = features.shape;
  const drawn: CaptionText[] = [];
  for (let start = 0; start < images; start += DRAWN_TOGETHER) {
    const count = Math.min(DRAWN_TOGETHER, images - start);
    const some = tf.slice(features, [start, 0, 0], [count, positions, size]);
    try {
      const search = sample({ temperature, samples: captionsPerImage, seed: random.fork('samples').fork(start).seed });
      const found = await captionFeatures(captioner, some, { ...options, search });
      for (const { alternatives = [], ...first } of found) drawn.push(first, ...alternatives);
    } finally {
      some.dispose();
    }
  }
  return drawn;
}

/** @throws UsageError unless there is one finite number for each caption */
function checkedScores(scores: readonly number[], count: number): readonly number[] {
  if (scores.length === count && scores.every(Number.isFinite)) return scores;
  throw new UsageError(
    `The reward should give a finite number for each of ${count} captions but gave ${scores.slice(0, 5).join(', ')}.`,
  );
}

function rewarded({ text, tokens }: CaptionText, { tokenizer }: Captioner): RewardedCaption {
  return { tokens: tokenizeCaption(text), ended: tokens.at(-1) === tokenizer.endId };
}

/** Each less the mean of the others. */
export function aboveOthers(scores: readonly number[]): number[] {
  const average = mean(scores);
  return scores.map((score) => ((score - average) * scores.length) / (scores.length - 1));
}

/**
 * The loss -mean over captions of advantage * log-probability of the caption: its gradient, over samples of the captioner,
 * is that of the expected reward.
 *
 * @param samples - `tokens` with the end token where it was reached; equally many for every picture
 */
export function policyLesson(
  captioner: Captioner,
  samples: readonly Pick<CaptionText, 'tokens'>[],
  advantages: readonly number[],
  temperature = 1,
): Lesson {
  const captions = batchOf(samples, captioner);
  const wanted = captions.targets.length;
  const weights = samples.flatMap(({ tokens }, i) =>
    Array<number>(tokens.length).fill((advantages[i]! * wanted) / samples.length),
  );
  const { padId, startId, unknownId, endId } = captioner.tokenizer;
  const unsaid = captioner.suppress ?? [padId, startId, unknownId].filter((token) => token !== endId);
  return {
    captions,
    loss(pass, targets) {
      const said = policyOf(pass, temperature, unsaid, captioner.tokenizer.vocabSize);
      return wordLoss(said, targets, 0, tf.tensor1d(weights, 'float32'));
    },
  };
}

/** As true captions are laid out; but what has no end token does not have to say it. */
function batchOf(samples: readonly Pick<CaptionText, 'tokens'>[], { tokenizer }: Captioner): CaptionBatch {
  const batch = captionBatch(
    samples.map(({ tokens }) => tokens.slice(0, -1)),
    tokenizer,
  );
  return { ...batch, targets: Int32Array.from(samples.flatMap(({ tokens }) => tokens)) };
}

/** What samples are drawn from: tempered, and with no probability for tokens that a search never says. */
function policyOf(pass: Said, temperature: number, unsaid: readonly number[], vocabSize: number): Said {
  const values = new Float32Array(vocabSize);
  for (const token of unsaid) values[token] = -1e9;
  const barred = tf.tensor1d(values);
  const tempered = <T extends tf.Tensor>(x: T) => (temperature === 1 ? x : tf.div<T>(x, temperature));
  const { last } = pass;
  return {
    get logits() {
      return tf.add<tf.Tensor2D>(tempered(pass.logits), barred);
    },
    ...(last && {
      last: {
        hidden: last.hidden,
        output: {
          weight: tempered(last.output.weight),
          bias: tf.add<tf.Tensor1D>(tempered(last.output.bias), barred),
        },
      },
    }),
  };
}
