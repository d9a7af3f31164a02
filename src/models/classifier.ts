import type * as tf from '@tensorflow/tfjs';
import { activation } from '../core/activations';
import { dense } from '../core/dense';
import { layerNorm } from '../core/layerNorm';
import { layerNormSpec, linearSpec } from '../core/layerSpecs';
import type { ParamsOf } from '../core/spec';

/** A head of two layers that chooses an answer, as LXMERT and ViLBERT for twelve tasks name it. @param prefix - such as `answer_head.` */
export function classifierSpec(prefix: string, inputSize: number, innerSize: number, answers: number) {
  return {
    up: linearSpec(`${prefix}logit_fc.0`, inputSize, innerSize, { deviation: 0.02 }),
    norm: layerNormSpec(`${prefix}logit_fc.2`, innerSize),
    down: linearSpec(`${prefix}logit_fc.3`, innerSize, answers, { deviation: 0.02 }),
  };
}

export type ClassifierParams = ParamsOf<ReturnType<typeof classifierSpec>>;

/** Logits [rows, answers] of x [rows, inputSize]. */
export function classify({ up, norm, down }: ClassifierParams, x: tf.Tensor2D): tf.Tensor2D {
  return dense(down, layerNorm(norm, activation('gelu')(dense(up, x)), 1e-12));
}
