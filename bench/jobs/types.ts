import type * as tf from '@tensorflow/tfjs';

/** What engines have to agree on: numbers within a tolerance, captions (token ids) exactly. */
export type Check = {
  numbers: Record<string, number[]>;
  captions?: number[][];
  /** Set where an engine does not tell its numbers. */
  captionsOnly?: boolean;
};

/** A job in the process of an engine, with its weights and data loaded. */
export type Work = {
  /** Done once, before anything is timed, with the weights as they were written. */
  check(): Promise<Check>;
  /**
   * What is timed. A tensor means that all was computed, or is once the tensor's numbers are read; it belongs to the
   * caller.
   */
  run(): tf.Tensor | Promise<void>;
};

/** What lies in `plan.json` of a job's folder, beside its weights and data; `kind` says who reads it. */
export type Plan = { kind: 'trainStep' | 'beam' | 'encoder' | 'epoch' | 'pretrained' };

export type Job = {
  name: string;
  /** Writes plan, weights and data to the folder. */
  prepare(folder: string): Promise<void>;
  /** Set where a run is a part of the job: how many of how many parts are timed. Each is timed once. */
  parts?(folder: string): Promise<{ timed: number; all: number }>;
  /** Tokens that a run says, of all pictures together, where their number is what is asked for. */
  tokens?: number;
  /** Whether `transformers.js` can do it. */
  transformersJS?: boolean;
};
