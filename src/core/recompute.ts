import * as tf from '@tensorflow/tfjs';
import { type LazyGradients, operation } from './operation';
import { leaves, mapTree, type Tree } from './tree';

/**
 * `compute(inputs)` that keeps only its inputs for the way back, where it is computed again: less memory for more time.
 * What it reads beside its inputs gets no gradient and has to be there then, and it must give the same every time.
 *
 * @see Chen et al. 2016, https://arxiv.org/abs/1604.06174 (gradient checkpointing)
 */
export function recompute<Inputs extends { [name: string]: Tree }, Output extends tf.Tensor>(
  inputs: Inputs,
  compute: (inputs: Inputs) => Output,
): Output {
  const [output] = operation<Inputs, [tf.Tensor], Inputs>(
    inputs,
    () => ({ outputs: [tf.tidy(() => compute(inputs))], kept: inputs }),
    ([above], kept) => {
      const found = gradientsOf(kept, compute, above).values();
      const ask = () => {
        const gradient = found.next().value!;
        return () => gradient;
      };
      return mapTree(kept, ask as never) as unknown as LazyGradients<Inputs>;
    },
  );
  return output as Output;
}

/** Gradients of all leaves, in order; zeros for those that have no part in the output. */
function gradientsOf<Inputs extends Tree>(inputs: Inputs, compute: (inputs: Inputs) => tf.Tensor, above: tf.Tensor) {
  const given = [...leaves(inputs).values()];
  const { state } = tf.engine();
  // The way back may only be walked once per tape, and that of the outer one is not over yet.
  const tape = state.activeTape!;
  try {
    const { grads } = tf.engine().gradients(() => compute(inputs), given, above, true);
    return grads.map((gradient, i) => gradient ?? tf.zerosLike(given[i]!));
  } finally {
    state.activeTape = tape;
  }
}
