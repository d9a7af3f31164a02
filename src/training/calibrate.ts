import type { Captioner } from '../captioner';
import { DataError, expectPositive, expectWhole } from '../core/errors';
import type { Dataset } from '../data/types';
import { captionExamples, type EvaluateOptions } from './evaluate';

/** One prediction: the natural logarithm of the probability that was given to it, and whether it was right. */
export type Judged = { logProb: number; correct: boolean };

/** Predictions of about the same confidence; `confidence` is their mean, `accuracy` the share that was right. */
export type ReliabilityBin = { from: number; to: number; count: number; confidence: number; accuracy: number };

export type Reliability = {
  /** Of equal width from 0 to 1; those that are empty are left out. */
  bins: ReliabilityBin[];
  /** The mean difference between confidence and accuracy, bins weighted by their counts. */
  expectedCalibrationError: number;
  /** Mean, in nats. */
  negativeLogLikelihood: number;
};

export type Calibration = {
  /** Above 1 where the captioner is surer than it should be. */
  temperature: number;
  words: number;
  before: Reliability;
  after: Reliability;
};

export type CalibrateOptions = Omit<EvaluateOptions, 'metrics' | 'details' | 'attention'> & {
  /** Bins from 0 to 1 of the reliability. Default 10. */
  bins?: number;
  /** Whether a word is right, given the picture's own captions. Default: one of them has it. */
  correct?: (word: string, references: readonly string[]) => boolean;
};

/**
 * Captions every picture of a data set, judges every word, and finds the temperature that makes probabilities of words
 * tell best how often they are right. `confidenceOf(logProb, temperature)` then is the calibrated confidence of a word. Use
 * a development split: on pictures that it was trained on a captioner is right more often than on others.
 *
 * @throws DataError where no word was said
 */
export async function calibrate(
  captioner: Captioner,
  data: Dataset,
  { bins = 10, correct, ...options }: CalibrateOptions = {},
): Promise<Calibration> {
  expectWhole('bins', bins, 1);
  const { tokenizer } = captioner;
  const judged: Judged[] = [];
  for await (const { example, caption } of captionExamples(captioner, data, options)) {
    const known = new Set(example.captions.flatMap((each) => tokenizer.words(tokenizer.encode(each))));
    const right = correct ? (word: string) => correct(word, example.captions) : (word: string) => known.has(word);
    for (const [i, word] of caption.words.entries())
      judged.push({ logProb: caption.logProbs[i]!, correct: right(word) });
  }
  const temperature = fitTemperature(judged);
  const [before, after] = [1, temperature].map((each) => reliability(judged, { bins, temperature: each }));
  return { temperature, words: judged.length, before: before!, after: after! };
}

/** Probabilities this near to 0 and 1 are not told apart, so that one wrong certainty does not decide everything. */
const NEAREST = 1e-6;

/** The range in which a temperature is looked for. */
const RANGE = [0.05, 20] as const;

/**
 * The probability that a prediction is right: its log-odds are divided by the temperature. Departure from temperature
 * scaling, which divides all logits: only the log-probability of what was said is needed.
 *
 * @param logProb - a natural logarithm
 * @see Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 4.2
 */
export function confidenceOf(logProb: number, temperature: number): number {
  return 1 / (1 + Math.exp(-logOdds(logProb) / temperature));
}

function logOdds(logProb: number): number {
  const probability = Math.min(1 - NEAREST, Math.max(NEAREST, Math.exp(logProb)));
  return Math.log(probability) - Math.log1p(-probability);
}

/**
 * The temperature, from 0.05 to 20, with the smallest negative log-likelihood of what was right and what was wrong.
 *
 * @throws DataError where nothing was judged
 */
export function fitTemperature(judged: readonly Judged[]): number {
  expectJudged(judged);
  // The likelihood has one peak in 1 / temperature: golden section finds it.
  const golden = (Math.sqrt(5) - 1) / 2;
  const loss = (logTemperature: number) => meanLoss(judged, Math.exp(logTemperature));
  let [low, high] = RANGE.map(Math.log) as [number, number];
  for (let i = 0; i < 60; i++) {
    const [left, right] = [high - golden * (high - low), low + golden * (high - low)];
    if (loss(left) < loss(right)) high = right;
    else low = left;
  }
  return Math.exp((low + high) / 2);
}

function meanLoss(judged: readonly Judged[], temperature: number): number {
  let total = 0;
  for (const { logProb, correct } of judged) {
    const odds = logOdds(logProb) / temperature;
    total += Math.log1p(Math.exp(correct ? -odds : odds));
  }
  return total / judged.length;
}

/**
 * How well confidence tells what is right, after division by a temperature.
 *
 * @throws DataError where nothing was judged
 */
export function reliability(
  judged: readonly Judged[],
  { bins = 10, temperature = 1 }: { bins?: number; temperature?: number } = {},
): Reliability {
  expectWhole('bins', bins, 1);
  expectPositive('temperature', temperature);
  expectJudged(judged);
  const sums = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, right: 0 }));
  for (const { logProb, correct } of judged) {
    const confidence = confidenceOf(logProb, temperature);
    const bin = sums[Math.min(bins - 1, Math.floor(confidence * bins))]!;
    bin.count++;
    bin.confidence += confidence;
    bin.right += Number(correct);
  }
  const filled = sums.flatMap(({ count, confidence, right }, i) =>
    count === 0
      ? []
      : [{ from: i / bins, to: (i + 1) / bins, count, confidence: confidence / count, accuracy: right / count }],
  );
  return {
    bins: filled,
    expectedCalibrationError: filled.reduce(
      (sum, { count, confidence, accuracy }) => sum + (count / judged.length) * Math.abs(confidence - accuracy),
      0,
    ),
    negativeLogLikelihood: meanLoss(judged, temperature),
  };
}

function expectJudged(judged: readonly Judged[]): void {
  if (judged.length > 0) return;
  throw new DataError('There is no word to calibrate with. Give pictures of which the captioner says something.');
}
