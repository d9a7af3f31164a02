import type * as tf from '@tensorflow/tfjs';
import { elementwise } from './elementwise';
import type { Call, Kernel } from './types';

type Inputs = { bias?: tf.TensorInfo; preluActivationWeights?: tf.TensorInfo };

/** tfjs' names for what may follow, and those of their kernels. */
const activations: Record<string, string> = { relu: 'Relu', relu6: 'Relu6', sigmoid: 'Sigmoid' };

/**
 * tfjs' kernel of several operations: the first of them, then bias and activation as kernels of their own.
 *
 * @param after - kernels by name; what is not among them is left to tfjs with all that stands before it
 */
export function withBiasAndActivation(first: Kernel, after: Record<string, Kernel> = elementwise): Kernel {
  return (call: Call<Inputs, { activation: string }>) => {
    const { engine, inputs, attrs } = call;
    const activation = after[activations[attrs.activation] ?? ''];
    if ((attrs.activation !== 'linear' && !activation) || inputs.preluActivationWeights) return undefined;
    const steps: [Kernel | undefined, (given: tf.TensorInfo) => Record<string, tf.TensorInfo>][] = [
      [inputs.bias && after.Add, (given) => ({ a: given, b: inputs.bias! })],
      [activation, (given) => ({ x: given })],
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
