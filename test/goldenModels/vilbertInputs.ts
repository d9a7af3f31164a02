import type * as tf from '@tensorflow/tfjs';
import type { BoxedRegions } from '../../src/models/textAndRegions';
import type { Vilbert, VilbertRead, VilbertTexts } from '../../src/models/vilbert';
import type { GoldenCase } from '../goldenCase';
import { paddingOf, textsOf } from './inputs';

/** What a case of ViLBERT reads. */
export function readCase(model: Vilbert, golden: GoldenCase): VilbertRead {
  const texts: VilbertTexts = {
    ...textsOf(golden),
    ...(golden.values.has('in.task_ids') && { tasks: golden.tensor('in.task_ids') as tf.Tensor1D }),
  };
  const regions: BoxedRegions = {
    features: golden.tensor('in.image_feat') as tf.Tensor3D,
    boxes: golden.tensor('in.image_loc') as tf.Tensor3D,
    keyPaddingMask: paddingOf(golden, 'in.image_attention_mask'),
  };
  return model.read(texts, regions);
}

/** What files hold that no model reads, or a second time. */
export const isRepeated = (name: string) => /\.q_dense[12]\.|^cls\.predictions\.decoder\.weight$/.test(name);
