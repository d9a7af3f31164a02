import type * as tf from '@tensorflow/tfjs';
import { elementwise } from './elementwise';
import type { Call, Kernel } from './types';

type Inputs = { bias?: tf.TensorInfo; preluActivationWeights?: tf.TensorInfo };

const activations: Record<string, Kernel | undefined> = {
  linear: undefined,
  relu: elementwise.Relu,
  relu6: elementwise.Relu6,
  sigmoid: elementwise.Sigmoid,
};

/** tfjs' kernel of several operations: the first of them, then bias and activation as kernels of their own. */
export function withBiasAndActivation(first: Kernel): Kernel {
  return (call: Call<Inputs, { activation: string }>) => {
    const { engine, inputs, attrs } = call;
    if (!(attrs.activation in activations) || inputs.preluActivationWeights) return undefined;
    const steps: [Kernel | undefined, (given: tf.TensorInfo) => Record<string, tf.TensorInfo>][] = [
      [inputs.bias && elementwise.Add, (given) => ({ a: given, b: inputs.bias! })],
      [activations[attrs.activation], (given) => ({ x: given })],
    ];
    let result = first(call) as tf.TensorInfo | undefined;
    for (const [kernel, inputsOf] of steps) {
      if (!result || !kernel) continue;
      const next = kernel({ engine, inputs: inputsOf(result), attrs: {} }) as tf.TensorInfo | undefined;
      engine.backend.disposeData(result.dataId);
      result = next;
    }
    return result;
  };
}
