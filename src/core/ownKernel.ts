import * as tf from '@tensorflow/tfjs';
import type { LSTMSlopes, LSTMState } from './lstm';

/** Operations that are several kernels of tfjs, by the inputs and attributes of the one that a backend may have instead. */
type OwnKernels = {
  /** x [..., size], weight and bias [size] -> [..., size] */
  LayerNorm: { inputs: Record<'x' | 'weight' | 'bias', tf.Tensor>; attrs: { epsilon: number } };
  /** x [..., inputSize], weight [inputSize, outputSize], bias [outputSize] -> [..., outputSize] */
  Dense: { inputs: { x: tf.Tensor; weight: tf.Tensor; bias: tf.Tensor }; attrs: Record<string, never> };
  /** x Phi(x), by erf or by its approximation with tanh */
  Gelu: { inputs: { x: tf.Tensor }; attrs: { approximate: boolean } };
  /**
   * What `adamW` makes of a parameter and its moments, all of one shape -> parameter, first, second:
   *
   *   first' = beta1 first + share gradient        second' = beta2 second + squareShare gradient^2
   *   parameter' = kept parameter - rate first' / (sqrt(second') + epsilon)
   *
   * @param clip - multiplies the gradient
   */
  AdamStep: {
    inputs: Record<'parameter' | 'gradient' | 'first' | 'second', tf.Tensor> & { clip?: tf.Scalar };
    attrs: Record<'beta1' | 'share' | 'beta2' | 'squareShare' | 'kept' | 'rate' | 'epsilon', number>;
  };
  /**
   * asked [rows, size], keys [images, positions, size], weight [size, 1], bias [1] -> [images, rows / images, positions]: what
   * a network of one layer makes of the sums of what every row asks and its image's keys
   */
  AdditiveScores: {
    inputs: Record<'asked' | 'keys' | 'weight' | 'bias', tf.Tensor>;
    attrs: { activation: 'tanh' | 'relu' };
  };
  /**
   * The way back of `AdditiveScores`: with hidden = activation(keys + asked), of slope(hidden)^2 for tanh, as
   * `additiveAttentionBackward` has it, and scores [rows, positions], the gradient of the scores -> sums over positions of scores * hidden
   * and of scores * slope, [rows, size], and over the rows of an image of scores * slope, [images, positions, size]
   */
  AdditiveSlopes: {
    inputs: { asked: tf.Tensor2D; keys: tf.Tensor3D; scores: tf.Tensor2D };
    attrs: { activation: 'tanh' | 'relu' };
  };
  /**
   * gates [rows, 4 hiddenSize] before their activations, cell [rows, hiddenSize] -> what `lstmForward` gives, each [rows,
   * hiddenSize]: hidden, cell, input, forget, candidate, output, squashed
   */
  LSTMCell: { inputs: { gates: tf.Tensor2D; cell: tf.Tensor2D }; attrs: Record<string, never> };
  /** What `lstmBackward` makes of gradients and slopes -> gates, cell */
  LSTMBackward: { inputs: LSTMState & LSTMSlopes; attrs: Record<string, never> };
};

/**
 * What the backend's own kernel makes of the inputs; undefined where it has none, or none for so many numbers. It has no
 * gradient, so that nothing is made while a tape would record it.
 *
 * A backend has one when a kernel of that name is registered for it with tfjs. It returns no tensor at all for what it
 * leaves to the kernels of tfjs.
 */
export function ownKernel<Name extends keyof OwnKernels>(
  name: Name,
  inputs: OwnKernels[Name]['inputs'],
  attrs: OwnKernels[Name]['attrs'],
): tf.Tensor[] | undefined {
  const engine = tf.engine() as unknown as Engine;
  const kernel = tf.getKernel(name, engine.backendName);
  if (!kernel || engine.isTapeOn()) return undefined;
  const made = kernel.kernelFunc({ inputs, attrs, backend: engine.backend });
  const infos = Array.isArray(made) ? made : [made];
  return infos.length === 0 ? undefined : infos.map((info) => engine.makeTensorFromTensorInfo(info));
}

type Engine = {
  readonly backend: tf.KernelBackend;
  readonly backendName: string;
  isTapeOn(): boolean;
  makeTensorFromTensorInfo(info: tf.TensorInfo): tf.Tensor;
};
