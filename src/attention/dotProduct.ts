import * as tf from '@tensorflow/tfjs';
import { expectWhole, UsageError } from '../core/errors';
import { type LinearParams, linear, linearOverPositions, linearParams } from '../core/linear';
import { FAR_BELOW } from './mask';
import { type AttentionMechanism, attendByScores, byImage, dotScores } from './mechanism';
import { mergeHeads, scaledDotProduct, splitHeads } from './multiHead';

/**
 * Query and features meet in a space of `attentionSize`, by their inner product over the root of that size.
 *
 * @see Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, equation 1. Departure: contexts are means of the features as they
 * are; `multiHead` projects them too.
 */
export function scaledDot(): AttentionMechanism<{ query: LinearParams; key: LinearParams }> {
  return {
    config: { type: 'scaled-dot' },
    params: ({ querySize, featureSize, attentionSize }, random) => ({
      query: linearParams(querySize, attentionSize, random.fork('query')),
      key: linearParams(featureSize, attentionSize, random.fork('key')),
    }),
    keys: ({ key }, features) => linearOverPositions(key, features),
    attend(params, query, memory) {
      const asked = tf.div<tf.Tensor2D>(linear(params.query, query), Math.sqrt(memory.keys.shape[2]));
      return attendByScores(dotScores(asked, memory.keys), memory);
    },
  };
}

/** query [querySize -> attentionSize], key and value [featureSize -> attentionSize], output [attentionSize -> attentionSize] */
export type MultiHeadAttentionParams = Record<'query' | 'key' | 'value' | 'output', LinearParams>;

export type MultiHeadOptions = {
  /** By which `attentionSize` is divided. Default 4. */
  numHeads?: number;
};

/**
 * Multi-head attention: every head looks by itself, and contexts have `attentionSize` numbers. Weights are the mean over heads.
 *
 * @see Vaswani et al. 2017, section 3.2.2; `torch.nn.MultiheadAttention` with kdim and vdim
 */
export function multiHead({ numHeads = 4 }: MultiHeadOptions = {}): AttentionMechanism<MultiHeadAttentionParams> {
  expectWhole('numHeads', numHeads, 1);
  return {
    config: { type: 'multi-head', numHeads },
    params({ querySize, featureSize, attentionSize: size }, random) {
      if (size % numHeads !== 0)
        throw new UsageError(`attentionSize is ${size} but should be a multiple of numHeads, ${numHeads}.`);
      return {
        query: linearParams(querySize, size, random.fork('query')),
        key: linearParams(featureSize, size, random.fork('key')),
        value: linearParams(featureSize, size, random.fork('value')),
        output: linearParams(size, size, random.fork('output')),
      };
    },
    keys: ({ key }, features) => linearOverPositions(key, features),
    values: ({ value }, features) => linearOverPositions(value, features),
    contextSize: ({ attentionSize }) => attentionSize,
    attend(params, query, { keys, values, keyPaddingMask }) {
      const [images, positions, size] = keys.shape;
      const rows = query.shape[0];
      const queries = splitHeads(byImage(linear(params.query, query), images), numHeads);
      const memory = { keys: splitHeads(keys, numHeads), values: splitHeads(values!, numHeads) };
      const bias = keyPaddingMask && tf.mul(tf.reshape(keyPaddingMask, [images, 1, 1, positions]), FAR_BELOW);
      const { context, weights } = scaledDotProduct(queries, memory, { bias });
      return {
        context: linear(params.output, tf.reshape(mergeHeads(context), [rows, size])),
        weights: tf.reshape(tf.mean(weights, 1), [rows, positions]),
      };
    },
  };
}
