import { ScoringError } from './errors';
import type { Tokens } from './metric';

/**
 * Like `Metric`, for what is measured on the generated captions alone: fed all captions of one image at a time. The state
 * is plain JSON, the captions themselves, so that shards of a corpus can be measured apart. Less would not do: a word,
 * and an n-gram of which CIDEr counts the images, may occur in two shards and must count once, so that neither numbers
 * of words nor self-CIDEr of shards can be added.
 */
export interface CaptionSetMetric<Result> {
  /** @throws ScoringError where there is no caption; a caption without words is one */
  update(captions: readonly Tokens[]): void;
  /** What follows from all images so far; may be called at any time. @throws ScoringError where there are none */
  compute(): Result;
  /** The captions of each image, in the order of `update`. */
  state(): Tokens[][];
  merge(state: readonly (readonly Tokens[])[]): void;
}

/** A metric out of a pure function on the captions of each image. */
export function accumulateSets<Result>(
  score: (sets: readonly (readonly Tokens[])[]) => Result,
): CaptionSetMetric<Result> {
  const sets: Tokens[][] = [];
  const add = (captions: readonly Tokens[]) => {
    if (captions.length === 0) throw new ScoringError(`Image ${sets.length} has no captions; each needs at least one.`);
    sets.push([...captions]);
  };
  return {
    update: add,
    compute() {
      if (sets.length === 0) throw new ScoringError('There are no captions to measure. Call update() first.');
      return score(sets);
    },
    state: () => sets.map((captions) => [...captions]),
    merge(state) {
      for (const captions of state) add(captions);
    },
  };
}
