import * as tf from '@tensorflow/tfjs';
import type { TextInput } from '../../src/models/textAndRegions';
import type { GoldenCase } from '../goldenCase';

/** 1 = padding, where Python's masks have 1 for a token. */
export const paddingOf = (golden: GoldenCase, name = 'in.attention_mask'): tf.Tensor2D =>
  tf.sub<tf.Tensor2D>(1, golden.tensor(name));

/** The texts of a case, with what it says of their words. */
export const textsOf = (golden: GoldenCase): TextInput => ({
  ids: golden.tensor('in.input_ids') as tf.Tensor2D,
  types: golden.tensor('in.token_type_ids') as tf.Tensor2D,
  keyPaddingMask: paddingOf(golden),
});
