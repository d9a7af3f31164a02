import * as tf from '@tensorflow/tfjs';
import { expectPositive, UsageError } from '../../core/errors';
import { takeRows } from '../../core/takeRows';
import { mapTree } from '../../core/tree';
import type { TransformerMemory } from '../../decoders/transformer';
import { TASK_NAMES, type TaskHeads, type TaskName } from '../../models/taskHeads';
import { type TextBatch, textBatch } from '../../models/textBatch';
import type { CaptionBatch } from '../captionBatch';
import { clampLogitScale, contrastiveLoss } from '../contrastiveLoss';
import { crossEntropy, wordLoss } from '../losses';
import type { LessonInput, Objective, Seen, Term } from '../objective';
import { maskTokens } from './masking';
import { drawNegatives } from './negatives';

/** What may be summed: the words of captions, and what `TaskHeads` has heads for. */
export const OBJECTIVE_NAMES = ['caption', ...TASK_NAMES] as const;
export type ObjectiveName = (typeof OBJECTIVE_NAMES)[number];
export type ObjectiveWeights = Partial<Record<ObjectiveName, number>>;

export type MultiTaskOptions = {
  /** Weights of the sum; what is not named is not learned. */
  weights: ObjectiveWeights;
  /** With a head for each task among them; they stay the caller's, and are trained and kept in snapshots with the captioner. */
  heads: TaskHeads;
  /** What is learned of captions, such as `distillation(...)`; by default the true words. */
  caption?: Objective;
  /** Share of the tokens that are to be guessed. Default 0.15. */
  maskShare?: number;
  /** Given, words are hidden whole: whether a token goes on with the word before. */
  continues?: (token: number) => boolean;
  /** Negatives of matching: any in the batch, or rather those that contrast takes for true. Default `hard` with `itc`. */
  negatives?: 'random' | 'hard';
};

type TaskLesson = (seen: Seen) => tf.Scalar;

/**
 * Several objectives in every step, whose losses are summed with their weights: `caption`, the words of true captions; `mlm`,
 * masked words with the picture in sight; `itm`, whether text and picture belong together; `itc`, contrast of texts and
 * pictures. The figures of a step have the loss of each task, without its weight.
 *
 * @throws UsageError for weights that cannot be meant, and for a task without a head
 * @see Li et al. 2022, https://arxiv.org/abs/2201.12086, section 3.2; `TaskHeads` says what is shared
 */
export function multiTask(options: MultiTaskOptions): Objective {
  const { weights, heads, caption, maskShare = 0.15 } = options;
  const named = OBJECTIVE_NAMES.filter((name) => weights[name] !== undefined);
  if (named.length === 0) throw new UsageError(`weights names none of ${OBJECTIVE_NAMES.join(', ')}.`);
  for (const name of named) expectPositive(`weights.${name}`, weights[name]!);
  const tasks = TASK_NAMES.filter((name) => weights[name] !== undefined);
  for (const task of tasks) heads.expectTask(task);
  const { negatives = weights.itc === undefined ? 'random' : 'hard' } = options;
  if (negatives === 'hard') heads.expectTask('itc');
  if (caption?.ownCaptions)
    throw new UsageError(
      "Tasks are learned from true captions, but this objective learns from the captioner's own. Train one after the other.",
    );
  if (caption && weights.caption === undefined)
    throw new UsageError('caption is given but has no weight: give weights.caption.');
  const lessons: Record<TaskName, (given: LessonInput) => Promise<TaskLesson>> = {
    mlm: async (given) => maskedWords(heads, given, options),
    itm: (given) => matching(heads, given, negatives),
    itc: async (given) => contrast(heads, given),
  };
  return {
    ownCaptions: false,
    params: heads.params,
    settings: {
      objective: named.map((name) => `${name}:${weights[name]}`).join('+'),
      ...(weights.mlm !== undefined && { maskShare, wholeWords: Number(options.continues !== undefined) }),
      ...(weights.itm !== undefined && { negatives }),
      ...(caption &&
        Object.fromEntries(Object.entries(caption.settings).map(([name, value]) => [`caption.${name}`, value]))),
    },
    async lesson(given) {
      const base = await caption?.lesson(given);
      const beside: { name: TaskName; of: TaskLesson }[] = [];
      for (const name of tasks)
        beside.push({ name, of: await lessons[name]({ ...given, random: given.random.fork(name) }) });
      const weight = weights.caption;
      return {
        captions: base?.captions ?? given.captions,
        ...(weight !== undefined && {
          loss(pass, targets) {
            const loss = base ? base.loss!(pass, targets) : wordLoss(pass, targets, given.labelSmoothing);
            return weight === 1 ? loss : tf.mul<tf.Scalar>(loss, weight);
          },
        }),
        beside: (seen): Term[] => beside.map(({ name, of }) => ({ name, loss: of(seen), weight: weights[name]! })),
        ...(base?.figures && { figures: base.figures }),
        ...(base?.dispose && { dispose: base.dispose }),
      };
    },
  };
}

/** Guessing hidden words of all captions, with the picture in sight. */
function maskedWords(
  heads: TaskHeads,
  { captioner, captions, random }: LessonInput,
  { maskShare: share = 0.15, continues }: MultiTaskOptions,
): TaskLesson {
  const { padId, startId, endId, unknownId, vocabSize } = captioner.tokenizer;
  const special = [padId, startId, endId, unknownId];
  const options = { maskId: unknownId, vocabSize, special, share, ...(continues && { continues }) };
  const chosen = textsOf(captions, endId).map((tokens, row) => maskTokens(tokens, options, random.fork(row)));
  const texts = textBatch(
    chosen.map(({ tokens }) => tokens),
    padId,
  );
  const masked = new Float32Array(texts.rows * texts.time);
  const places: number[] = [];
  for (const [row, each] of chosen.entries())
    for (const place of each.places) {
      places.push(row * texts.time + place);
      if (each.tokens[place] === unknownId) masked[row * texts.time + place] = 1;
    }
  const targets = chosen.flatMap((each) => each.targets);
  if (places.length === 0) return () => tf.scalar(0);
  return ({ memory, drop }) => {
    const within = { ...drop, random: drop.random.fork('mlm') };
    const hidden = heads.read(texts, { memory: memory as TransformerMemory, masked, drop: within });
    const last = heads.hiddenWords(hidden, tf.tensor1d(places, 'int32'));
    return wordLoss({ logits: last.hidden, last }, tf.tensor1d(targets, 'int32'));
  };
}

/** Telling a text of each picture from one of another picture, and each picture from another for its text. */
async function matching(
  heads: TaskHeads,
  { captioner, captions, captionsPerImage, features, random }: LessonInput,
  kind: 'random' | 'hard',
): Promise<TaskLesson> {
  const { endId, padId } = captioner.tokenizer;
  const images = features.shape[0];
  const draws = random.fork('captions').uniform(images);
  const all = textsOf(captions, endId);
  const own = Array.from(draws, (draw, image) => all[image * captionsPerImage + Math.floor(draw * captionsPerImage)]!);
  const alike = kind === 'hard' ? await similarities(heads, features, textBatch(own, padId)) : undefined;
  const options = { candidates: images, belongs: (row: number, candidate: number) => row === candidate };
  const texts = drawNegatives(images, { ...options, ...alike?.ofImages }, random.fork('texts'));
  const pictures = drawNegatives(images, { ...options, ...alike?.ofTexts }, random.fork('pictures'));
  const pairs = [
    ...own.map((_, i) => ({ image: i, text: i, fits: 1 })),
    ...Array.from(texts, (text, image) => ({ image, text, fits: 0 })),
    ...Array.from(pictures, (image, text) => ({ image, text, fits: 0 })),
  ].filter(({ image, text }) => image >= 0 && text >= 0);
  const batch = textBatch(
    pairs.map(({ text }) => own[text]!),
    padId,
  );
  return ({ memory, drop }) => {
    const chosen = tf.tensor1d(
      pairs.map(({ image }) => image),
      'int32',
    );
    const ofPairs = mapTree(memory, (tensor) => takeRows(tensor, chosen)) as TransformerMemory;
    const hidden = heads.read(batch, { memory: ofPairs, drop: { ...drop, random: drop.random.fork('itm') } });
    const labels = tf.tensor1d(
      pairs.map(({ fits }) => fits),
      'int32',
    );
    return crossEntropy(heads.matchLogits(hidden), labels);
  };
}

/** What hard negatives are drawn by: cosines times the scale of the contrast, of a text per picture, both ways. */
async function similarities(heads: TaskHeads, features: tf.Tensor3D, texts: TextBatch) {
  const logits = tf.tidy(() => {
    const cosines = tf.matMul(heads.textVectors(heads.read(texts)), heads.imageVectors(features), false, true);
    const ofTexts = tf.mul(cosines, tf.exp(heads.params.itc!.logitScale));
    return { ofTexts, ofImages: tf.transpose(ofTexts) };
  });
  try {
    const [ofTexts, ofImages] = await Promise.all([logits.ofTexts.data(), logits.ofImages.data()]);
    return { ofTexts: { logits: ofTexts }, ofImages: { logits: ofImages } };
  } finally {
    tf.dispose(logits);
  }
}

/** Finding the texts of each picture in the batch, and the picture of each text. */
function contrast(heads: TaskHeads, { captioner, captions }: LessonInput): TaskLesson {
  const { endId, padId } = captioner.tokenizer;
  const { logitScale } = heads.params.itc!;
  clampLogitScale(logitScale);
  const texts = textBatch(textsOf(captions, endId), padId);
  return ({ features, drop }) => {
    const hidden = heads.read(texts, { drop: { ...drop, random: drop.random.fork('itc') } });
    return contrastiveLoss(heads.imageVectors(features), heads.textVectors(hidden), logitScale);
  };
}

/** The captions of a batch, each between start and end. */
function textsOf({ rows, time, inputs, mask }: CaptionBatch, endId: number): number[][] {
  return Array.from({ length: rows }, (_, row) => {
    const read = mask.subarray(row * time, (row + 1) * time).reduce((sum, one) => sum + one, 0);
    return [...inputs.subarray(row * time, row * time + read), endId];
  });
}
