import * as tf from '@tensorflow/tfjs';
import { normal, uniform } from './init';
import type { ParameterSpec } from './spec';

type Names = { aliases?: readonly string[]; absent?: 'init' };

/** Names of a layer's parameters: `key.weight`, and the same ending on each alias. */
function named(key: string, end: string, { aliases, absent }: Names) {
  return {
    key: `${key}.${end}`,
    ...(aliases && { aliases: aliases.map((alias) => `${alias}.${end}`) }),
    ...(absent && { absent }),
  };
}

const zeros = (shape: number[]) => tf.zeros(shape);

export type LinearSpec = { weight: ParameterSpec<tf.Tensor2D>; bias: ParameterSpec<tf.Tensor1D> | undefined };

/**
 * A linear layer as `torch.nn.Linear` names and initialises it.
 *
 * @param options.bias - whether it has one, by default yes
 * @param options.layout - `same` for the layers of GPT-2, whose files have [in, out]
 * @param options.deviation - of a normal distribution to draw the weight from, with a bias of zeros, as transformers does
 */
export function linearSpec(
  key: string,
  inputSize: number,
  outputSize: number,
  options: Names & { bias?: boolean; layout?: 'linear' | 'same'; deviation?: number } = {},
): LinearSpec {
  const { bias = true, layout = 'linear', deviation } = options;
  const limit = 1 / Math.sqrt(inputSize);
  return {
    weight: {
      ...named(key, 'weight', options),
      shape: [inputSize, outputSize],
      layout,
      init: (shape, random) =>
        deviation === undefined ? uniform(shape as [number, number], limit, random) : normal(shape, deviation, random),
    },
    bias: bias
      ? {
          ...named(key, 'bias', options),
          shape: [outputSize],
          layout: 'same',
          init: (shape, random) => (deviation === undefined ? uniform(shape as [number], limit, random) : zeros(shape)),
        }
      : undefined,
  };
}

export type LayerNormSpec = { weight: ParameterSpec<tf.Tensor1D>; bias: ParameterSpec<tf.Tensor1D> };

/** A layer norm as `torch.nn.LayerNorm` names it: ones and zeros before training. */
export function layerNormSpec(key: string, size: number, options: Names = {}): LayerNormSpec {
  return {
    weight: { ...named(key, 'weight', options), shape: [size], layout: 'same', init: (shape) => tf.ones(shape) },
    bias: { ...named(key, 'bias', options), shape: [size], layout: 'same', init: zeros },
  };
}

/** A table [count, size], `key.weight` in files, drawn from a normal distribution. */
export function embeddingSpec(
  key: string,
  count: number,
  size: number,
  options: Names & { deviation?: number } = {},
): ParameterSpec<tf.Tensor2D> {
  return {
    ...tableSpec<tf.Rank.R2>(`${key}.weight`, [count, size], options.deviation),
    ...named(key, 'weight', options),
  };
}

/** A parameter that stands for itself, such as a class token [1, 1, size], drawn from a normal distribution. */
export function tableSpec<R extends tf.Rank>(
  key: string,
  shape: tf.ShapeMap[R],
  deviation = 0.02,
): ParameterSpec<tf.Tensor<R>> {
  return { key, shape, layout: 'same', init: (shape, random) => normal(shape, deviation, random) };
}
