import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { AttentionLSTMConfig } from '../../src/decoders/attentionLSTM';

/** A tensor as `scripts/make_training_goldens.py` writes it. */
export type Stored = { shape: number[]; values: number[] };
export type StoredTree = Record<string, Stored>;

/** What goes into a part of a model and what comes out: gradients are those of the sum of outputs times outputWeights. */
type ModuleCase = Record<'parameters' | 'inputs' | 'outputs' | 'outputWeights' | 'gradients', StoredTree>;

export type DecoderCase = {
  config: AttentionLSTMConfig;
  special: { startId: number; endId: number; padId: number };
  captions: number[][];
  labelSmoothing: number;
  features: Stored;
  parameters: StoredTree;
  outputs: StoredTree;
  gradients: StoredTree;
};

type Golden = {
  torch: string;
  crossEntropy: {
    logits: Stored;
    targets: number[];
    cases: { labelSmoothing: number; loss: Stored; gradient: Stored }[];
  };
  adamW: {
    learningRate: number;
    weightDecay: number;
    initial: StoredTree;
    steps: { factor: number; gradients: StoredTree; parameters: StoredTree }[];
  }[];
  clipping: { gradients: StoredTree; cases: { maxNorm: number; norm: Stored; clipped: StoredTree }[] };
  lstm: ModuleCase;
  attention: ModuleCase[];
  mobileNetV2: { imageSize: number; every: number; features: Stored; gradients: StoredTree };
  decoder: DecoderCase[];
};

/** PyTorch's answers, computed in double precision. */
export const golden: Golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../goldens/training/golden.json'), 'utf8'),
);

export function tensorOf<R extends tf.Rank>({ values, shape }: Stored): tf.Tensor<R> {
  return tf.tensor<R>(values, shape as tf.ShapeMap[R]);
}

/** A parameter tree from paths such as `query.weight` or `lstm.0.input`. */
export function treeOf<T>(stored: StoredTree): T {
  // biome-ignore lint/suspicious/noExplicitAny: the form follows from the paths
  const root: any = {};
  for (const [path, value] of Object.entries(stored)) {
    const parts = path.split('.');
    const last = parts.pop()!;
    let node = root;
    for (const [i, part] of parts.entries()) node = node[part] ??= /^\d+$/.test(parts[i + 1] ?? last) ? [] : {};
    node[last] = tensorOf(value);
  }
  return root;
}
