import type * as tf from '@tensorflow/tfjs';
import type { FeatureCache } from '../training/features';
import type { LoopOptions, TrainStep } from '../training/loop';
import type { LOSSES } from './curves';
import type { Progress } from './progress';

/** What a run knows when it saves its best model. */
export type TraineeRecord = {
  epoch: number;
  scores: Readonly<Record<string, number>>;
  /** Seconds of training up to this model, validation included. */
  seconds: number;
  backend: string;
  /** Options of the command, by name. */
  options: Readonly<Record<string, unknown>>;
};

/** Scores, the one of them that decides which model is the best, and losses of training and development pictures where there are such. */
export type Validated = {
  scores: Readonly<Record<string, number>>;
  score: number;
  losses?: Readonly<Record<(typeof LOSSES)[number], number>>;
};

/** A model in training, as the command sees it. */
export type Trainee = {
  /** Such as `captioner`, for messages. */
  readonly what: string;
  /** Scores that the line of a validation shows. */
  readonly shown: readonly string[];
  /** Whether the loss tells less than the reward, which then stands in its place. */
  readonly rewarded: boolean;
  /** All that a snapshot has. */
  parameters(): Map<string, tf.Variable>;
  train(options: LoopOptions): AsyncGenerator<TrainStep, void, undefined>;
  /** Scores on the development split, and the one that decides which model is the best; nothing where there is no such split. */
  validate(given: {
    features: FeatureCache | undefined;
    progress: Progress;
    signal: AbortSignal;
  }): Promise<Validated | undefined>;
  save(record: TraineeRecord): Promise<void>;
  dispose(): void;
};
