import * as tf from '@tensorflow/tfjs';
import { ownKernel } from './ownKernel';

/** A low-rank change of a weight: down [inputSize, rank], up [rank, outputSize], scale []. */
export type LoRAParams = { down: tf.Tensor2D; up: tf.Tensor2D; scale: tf.Scalar };

/**
 * weight [inputSize, outputSize], bias [outputSize] where the layer has one, and what adapts it, where something does
 * (see `LoRA`)
 */
export type DenseParams = { weight: tf.Tensor2D; bias?: tf.Tensor1D | undefined; lora?: LoRAParams };

/** A linear layer over the last axis: [..., inputSize] -> [..., outputSize], as one product over all rows. */
export function dense<T extends tf.Tensor>({ weight, bias, lora }: DenseParams, x: T): T {
  const whole = bias && !lora && ownKernel('Dense', { x, weight, bias }, {})?.[0];
  if (whole) return whole as T;
  const [inputSize, outputSize] = weight.shape;
  const given: tf.Tensor2D = tf.reshape(x, [-1, inputSize]);
  let rows: tf.Tensor2D = tf.matMul(given, weight);
  if (lora) rows = tf.add(rows, tf.mul(tf.matMul(tf.matMul(given, lora.down), lora.up), lora.scale));
  if (bias) rows = tf.add(rows, bias);
  return tf.reshape(rows, [...x.shape.slice(0, -1), outputSize]) as T;
}
