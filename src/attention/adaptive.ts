import * as tf from '@tensorflow/tfjs';
import { type LinearParams, linear, linearOverPositions, linearParams } from '../core/linear';
import { additiveScores } from './additive';
import { maskedSoftmax } from './mask';
import { type AttentionMechanism, attendByWeights, byImage } from './mechanism';

/**
 * value [featureSize -> querySize], key [querySize -> attentionSize], query [querySize -> attentionSize],
 * score [attentionSize -> 1]; of the sentinel: gateInput [inputSize -> querySize], gateHidden [querySize -> querySize],
 * sentinel [querySize -> attentionSize]
 */
export type AdaptiveAttentionParams = Record<
  'value' | 'key' | 'query' | 'score' | 'gateInput' | 'gateHidden' | 'sentinel',
  LinearParams
>;

/**
 * Adaptive attention: beside the positions of the picture there is a visual sentinel to look at, what the recurrent layer knows by
 * itself, so that words such as `of` need not be seen. The weights of the positions sum to 1 less the sentinel's.
 *
 * It comes after the layer that asks (`look: 'after'`, or `between` two layers).
 *
 * @see Lu et al. 2017, https://arxiv.org/abs/1612.01887, equations 6 to 12. Departures: every projection has a bias; the cell of a
 * GRU is its hidden state.
 */
export function adaptive(): AttentionMechanism<AdaptiveAttentionParams> {
  const valuesOf = ({ value }: AdaptiveAttentionParams, features: tf.Tensor3D) =>
    tf.relu(linearOverPositions(value, features));
  return {
    config: { type: 'adaptive' },
    afterLayer: true,
    params: ({ querySize, featureSize, attentionSize, inputSize }, random) => ({
      value: linearParams(featureSize, querySize, random.fork('value')),
      key: linearParams(querySize, attentionSize, random.fork('key')),
      query: linearParams(querySize, attentionSize, random.fork('query')),
      score: linearParams(attentionSize, 1, random.fork('score')),
      gateInput: linearParams(inputSize, querySize, random.fork('gateInput')),
      gateHidden: linearParams(querySize, querySize, random.fork('gateHidden')),
      sentinel: linearParams(querySize, attentionSize, random.fork('sentinel')),
    }),
    keys: (params, features) => linearOverPositions(params.key, valuesOf(params, features)),
    values: valuesOf,
    contextSize: ({ querySize }) => querySize,
    attend(params, query, memory, { recurrent }) {
      const { keys, keyPaddingMask } = memory;
      const [images, positions] = keys.shape;
      const perImage = query.shape[0] / images;
      const { input, before, cell } = recurrent!;
      const gate = tf.sigmoid(tf.add(linear(params.gateInput, input), linear(params.gateHidden, before)));
      const sentinel = tf.mul<tf.Tensor2D>(gate, tf.tanh(cell)); // [rows, querySize]
      const asked = linear(params.query, query);
      const known = linear(params.score, tf.tanh(tf.add(linear(params.sentinel, sentinel), asked))); // [rows, 1]
      const seen = additiveScores(params, query, keys);
      const scores = tf.concat<tf.Tensor3D>([seen, byImage(known, images)], 2);
      const mask = keyPaddingMask && tf.concat<tf.Tensor2D>([keyPaddingMask, tf.zeros([images, 1])], 1);
      const [weights, share] = tf.split(maskedSoftmax(scores, mask), [positions, 1], 2) as [tf.Tensor3D, tf.Tensor3D];
      const looked = attendByWeights(weights, memory);
      const own = tf.mul(tf.reshape(share, [images * perImage, 1]), sentinel);
      return { weights: looked.weights, context: tf.add<tf.Tensor2D>(looked.context, own) };
    },
  };
}
