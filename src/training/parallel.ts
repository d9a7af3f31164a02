import * as tf from '@tensorflow/tfjs';
import type { Captioner } from '../captioner';
import type { BatchPart } from '../core/dropout';
import type { Random } from '../core/random';
import type { CaptionBatch } from './captionBatch';
import type { Parameters } from './gradients';
import { lessonGradients } from './lessonGradients';
import { type Learned, runRandom } from './loop';
import { type Said, wordLoss } from './losses';

/**
 * What a batch teaches of the words of captions, as plain values: they can be sent to a worker, and its pictures be shared out
 * among several.
 */
export type PlainBatch = {
  captions: CaptionBatch;
  images: number;
  /** What is seen of all pictures, one after the other, and its shape for one of them. */
  seen: Float32Array;
  shape: readonly number[];
  /** Features that the decoder reads, pixels that the encoder reads, or features after that stage of the encoder. */
  kind: 'features' | 'pixels' | { afterStage: number };
  labelSmoothing: number;
  doublyStochastic: number;
  dropout: number;
  /** As of `Dropout`. */
  locked: boolean;
  /** What randomness follows from: the seed of the run and the number of the batch. */
  seed: number;
  index: number;
  /** Batches of the step. */
  parts: number;
};

/** Some of the pictures of a batch, and what its means become in the sum over all shares. */
export type Share = PlainBatch & { part: BatchPart; ofWords: number; ofCaptions: number };

/** Where the shares of a batch are learned at the same time, such as `dataParallel()` from the Node entry. */
export interface Parallel {
  /**
   * Loss and gradients of a batch as of one piece.
   *
   * @param given.parameters - all that can be trained, by the names of `train`
   * @param given.trained - the names of those that this batch trains
   */
  learn(given: {
    captioner: Captioner;
    parameters: Parameters;
    trained: readonly string[];
    batch: PlainBatch;
    signal: AbortSignal | undefined;
  }): Promise<Learned>;
}

/** Shares of as many pictures as can be, one or none for each of `workers`, in order. */
export function shareOut(batch: PlainBatch, workers: number): Share[] {
  const { images, seen } = batch;
  const { rows, targets } = batch.captions;
  const [perImage, perSeen] = [rows / images, seen.length / images];
  const shares: Share[] = [];
  let before = 0;
  for (let worker = 0; worker < workers; worker++) {
    const end = Math.floor((images * (worker + 1)) / workers);
    if (end === before) continue;
    const captions = captionsBetween(batch.captions, before * perImage, end * perImage);
    shares.push({
      ...batch,
      captions,
      images: end - before,
      seen: seen.slice(before * perSeen, end * perSeen),
      part: { before, images: end - before },
      ofWords: captions.targets.length / targets.length,
      ofCaptions: captions.rows / rows,
    });
    before = end;
  }
  return shares;
}

/** Rows from `begin` to before `end`. They keep the time of all, by which dropout is drawn. */
function captionsBetween({ time, inputs, targets, wanted, mask }: CaptionBatch, begin: number, end: number) {
  const [from, to] = [begin * time, end * time];
  const first = wanted.findIndex((place) => place >= from);
  const after = wanted.findIndex((place) => place >= to);
  const last = after < 0 ? wanted.length : after;
  return {
    rows: end - begin,
    time,
    inputs: inputs.slice(from, to),
    targets: targets.slice(first, last),
    wanted: wanted.slice(first, last).map((place) => place - from),
    mask: mask.slice(from, to),
  };
}

/** What a share adds to loss and gradients of its batch; the gradients belong to the caller. */
export async function learnShare(captioner: Captioner, share: Share, parameters: Parameters): Promise<Learned> {
  const { captions, images, seen, shape, kind, labelSmoothing, seed, index, parts, part, ofWords, ofCaptions } = share;
  const { encoder } = captioner;
  const see = (): tf.Tensor3D => {
    const given = tf.tensor(seen, [images, ...shape]);
    if (kind === 'pixels') return encoder.encode(given as tf.Tensor4D);
    return kind === 'features' ? (given as tf.Tensor3D) : encoder.divide!(kind.afterStage).after(given as tf.Tensor3D);
  };
  const drop = { rate: share.dropout, random: dropRandom(runRandom(seed), index), part, locked: share.locked };
  const lesson = {
    captions,
    loss: (pass: Said, targets: tf.Tensor1D) => tf.mul<tf.Scalar>(wordLoss(pass, targets, labelSmoothing), ofWords),
  };
  const doublyStochastic = share.doublyStochastic * ofCaptions;
  return lessonGradients(captioner, see, lesson, parameters, { doublyStochastic, drop, parts });
}

/** What the pass over a batch drops by. */
export const dropRandom = (run: Random, index: number): Random => run.fork('dropout').fork(index);
