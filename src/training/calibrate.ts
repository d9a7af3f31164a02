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

/** What is done to the log-odds of a probability: they are divided by the temperature, and the bias is added. */
export type Scaling = {
  /** Above 1 where confidence differs more than what is right does. */
  temperature: number;
  /** Above 0 where words are right more often than their probabilities say. */
  bias: number;
};

/** The scaling, and how reliable confidence is without it and with it. */
export type Calibration = Scaling & {
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
 * Captions every picture of a data set, judges every word, and finds the scaling that makes probabilities of words tell best
 * how often they are right. `confidenceOf(logProb, calibration)` then is the calibrated confidence of a word. Use a
 * development split: on pictures that it was trained on a captioner is right more often than on others.
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
  const scaling = fitScaling(judged);
  const [before, after] = [reliability(judged, { bins }), reliability(judged, { bins, ...scaling })];
  return { ...scaling, words: judged.length, before, after };
}

/** Probabilities this near to 0 and 1 are not told apart, so that one wrong certainty does not decide everything. */
const NEAREST = 1e-6;

/** No temperature is below or above these, and no bias further from 0: predictions that are all right would ask for infinity. */
const [COLDEST, HOTTEST, FARTHEST] = [0.05, 20, 20];

/**
 * The probability that a prediction is right: its log-odds, scaled.
 *
 * @param logProb - a natural logarithm
 * @see Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 4.2, for the temperature. Departures: it divides the log-odds of what
 * was said, not all logits, so that only the log-probability is needed; and a bias is added (Platt scaling, ibid. section 4.1), for whether a
 * word is right is another question than whether it comes next, and its answer is yes more often
 */
export function confidenceOf(logProb: number, { temperature = 1, bias = 0 }: Partial<Scaling> = {}): number {
  return 1 / (1 + Math.exp(-(logOdds(logProb) / temperature + bias)));
}

function logOdds(logProb: number): number {
  const probability = Math.min(1 - NEAREST, Math.max(NEAREST, Math.exp(logProb)));
  return Math.log(probability) - Math.log1p(-probability);
}

/**
 * The scaling with the smallest negative log-likelihood of what was right and what was wrong: logistic regression by Newton's
 * method, with a temperature from 0.05 to 20 and a bias of at most 20 either way.
 *
 * @throws DataError where nothing was judged
 */
export function fitScaling(judged: readonly Judged[]): Scaling {
  expectJudged(judged);
  let scaling: Scaling = { temperature: 1, bias: 0 };
  let loss = meanLoss(judged, scaling);
  for (let step = 0; step < 100; step++) {
    const [slope, shift] = newtonStep(judged, scaling);
    let next = scaling;
    let lower = loss;
    for (let share = 1; share > 1e-6 && lower >= loss; share /= 2) {
      next = bounded(1 / scaling.temperature - share * slope, scaling.bias - share * shift);
      lower = meanLoss(judged, next);
    }
    if (!(lower < loss)) return scaling;
    [scaling, loss] = [next, lower];
  }
  return scaling;
}

function bounded(slope: number, bias: number): Scaling {
  const within = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value));
  return { temperature: 1 / within(slope, 1 / HOTTEST, 1 / COLDEST), bias: within(bias, -FARTHEST, FARTHEST) };
}

/** The inverse of the curvature times the gradient of the loss, by the inverse of the temperature and by the bias. */
function newtonStep(judged: readonly Judged[], scaling: Scaling): [slope: number, bias: number] {
  let [bySlope, byBias, slopes, both, biases] = [0, 0, 1e-9, 0, 1e-9];
  for (const { logProb, correct } of judged) {
    const odds = logOdds(logProb);
    const confidence = confidenceOf(logProb, scaling);
    const weight = confidence * (1 - confidence);
    bySlope += (confidence - Number(correct)) * odds;
    byBias += confidence - Number(correct);
    slopes += weight * odds * odds;
    both += weight * odds;
    biases += weight;
  }
  const determinant = slopes * biases - both * both;
  return [(biases * bySlope - both * byBias) / determinant, (slopes * byBias - both * bySlope) / determinant];
}

function meanLoss(judged: readonly Judged[], { temperature, bias }: Scaling): number {
  let total = 0;
  for (const { logProb, correct } of judged) {
    const odds = logOdds(logProb) / temperature + bias;
    total += Math.log1p(Math.exp(correct ? -odds : odds));
  }
  return total / judged.length;
}

/**
 * How well confidence tells what is right, as it is or scaled.
 *
 * @throws DataError where nothing was judged
 */
export function reliability(
  judged: readonly Judged[],
  { bins = 10, temperature = 1, bias = 0 }: { bins?: number } & Partial<Scaling> = {},
): Reliability {
  expectWhole('bins', bins, 1);
  expectPositive('temperature', temperature);
  expectJudged(judged);
  const sums = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, right: 0 }));
  for (const { logProb, correct } of judged) {
    const confidence = confidenceOf(logProb, { temperature, bias });
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
    negativeLogLikelihood: meanLoss(judged, { temperature, bias }),
  };
}

function expectJudged(judged: readonly Judged[]): void {
  if (judged.length > 0) return;
  throw new DataError('There is no word to calibrate with. Give pictures of which the captioner says something.');
}
