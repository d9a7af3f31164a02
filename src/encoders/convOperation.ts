import * as tf from '@tensorflow/tfjs';
import { operation } from '../core/operation';

/** What may follow a convolution in one operation with it: its gradient is known from the result alone. */
export type ConvActivation = 'linear' | 'relu' | 'relu6';

/** weight [height, width, in, out], or [height, width, channels, 1] of every channel by itself; plus as the result */
export type ConvInputs = {
  x: tf.Tensor4D;
  weight: tf.Tensor4D;
  bias?: tf.Tensor1D | undefined;
  /** Added before the activation, such as what goes around a block. */
  plus?: tf.Tensor4D | undefined;
};

/** The picture and the padding in words with which every backend can convolve it, and the zeros that were laid around it. */
export type Frame = { x: tf.Tensor4D; pad: 'same' | 'valid'; around: readonly [vertical: number, horizontal: number] };

export type ConvSettings = {
  stride: number;
  /** Of every channel by itself. */
  depthwise: boolean;
  activation: ConvActivation;
  frame(x: tf.Tensor4D): Frame;
};

type Kept = { x?: tf.Tensor4D; weight?: tf.Tensor4D; result?: tf.Tensor4D };

/**
 * activation(x * weight + bias + plus), which keeps for the way back only what it reads and what it gives; by itself tfjs keeps
 * what is between as well, three tensors of that size instead of one.
 *
 * The gradients of the convolution are those of tfjs.
 */
export function convOperation(inputs: ConvInputs, { stride, depthwise, activation, frame }: ConvSettings): tf.Tensor4D {
  const [result] = operation<ConvInputs, [tf.Tensor4D], Kept>(
    inputs,
    (taped) => {
      const { x, weight, bias, plus } = inputs;
      const { x: framed, pad } = frame(x);
      // On the tape tf.fused would do one after the other and free nothing between.
      const fused = !taped && !plus;
      const settings = { x: framed, filter: weight, strides: stride, pad, ...(bias && { bias }) };
      const convolution = depthwise ? tf.fused.depthwiseConv2d : tf.fused.conv2d;
      let y = convolution({ ...settings, activation: fused ? activation : 'linear' }) as tf.Tensor4D;
      const change = (changed: tf.Tensor4D) => {
        y.dispose();
        y = changed;
      };
      if (plus) change(tf.add(y, plus));
      if (!fused && activation !== 'linear') change(activation === 'relu' ? tf.relu(y) : tf.relu6(y));
      return { outputs: [y], kept: taped ? { x, weight, ...(activation !== 'linear' && { result: y }) } : {} };
    },
    ([above], { x, weight, result }) => {
      const before = result ? beforeActivation(above, result, activation) : above;
      const { x: framed, pad, around } = frame(x!);
      const dilations = 1;
      const attributes = { strides: [stride, stride], pad, dataFormat: 'NHWC', dilations, dimRoundingMode: undefined };
      const kernel = depthwise ? 'DepthwiseConv2dNative' : 'Conv2D';
      const found = tf.getGradient(kernel).gradFunc(before, [framed, weight!], attributes as never);
      const [vertical, horizontal] = around;
      return {
        x: () =>
          pad === 'valid' ? tf.slice(found.x!() as tf.Tensor4D, [0, vertical, horizontal, 0], x!.shape) : found.x!(),
        weight: () => found.filter!(),
        bias: inputs.bias && (() => tf.sum(before, [0, 1, 2])),
        plus: inputs.plus && (() => tf.clone(before)),
      };
    },
  );
  return result;
}

/**
 * The gradient of what the activation read. It is written by hand because that of tfjs takes seven passes over the largest tensors of a
 * network, and comparisons are slow on wasm.
 *
 * @param result - what the activation gave
 */
function beforeActivation(above: tf.Tensor4D, result: tf.Tensor4D, activation: ConvActivation): tf.Tensor4D {
  return tf.tidy(() => {
    // Above 0 strictly between the bends, else 0; then 1 there.
    const inside = activation === 'relu' ? tf.clone(result) : chain(tf.sub(6, result), (x) => tf.mul(x, result));
    const open = chain(
      chain(inside, (x) => tf.mul(x, 1e30)),
      (x) => tf.clipByValue(x, 0, 1),
    );
    return chain(open, (x) => tf.mul(above, x));
  });
}

/** The change of x, which is freed at once. */
function chain(x: tf.Tensor4D, change: (x: tf.Tensor4D) => tf.Tensor4D): tf.Tensor4D {
  const changed = change(x);
  x.dispose();
  return changed;
}
