import * as tf from '@tensorflow/tfjs';
import { leaves, mapTree, type Tree } from './tree';

/** A tree of the same form with, for every tensor, a function that computes its gradient. */
export type LazyGradients<T> = T extends tf.Tensor
  ? () => tf.Tensor
  : T extends undefined
    ? undefined
    : { [Name in keyof T]: LazyGradients<T[Name]> };

export type Forward<Outputs extends readonly (tf.Tensor | undefined)[], Kept extends Tree> = {
  outputs: Outputs;
  /** What the way back needs, intermediate results and inputs alike: they are gone by then unless they are kept. */
  kept: Kept;
};

/**
 * One operation with a gradient written by hand. `tf.customGrad` gives one output and computes the gradient of every
 * input; here there may be several outputs, inputs form a tree, and only gradients that are asked for are computed.
 *
 * @param forward - runs untaped and inside of a `tf.tidy`; told whether a gradient will be asked for
 * @param backward - from the gradients of the outputs, zeros for those that nothing used; runs in the tidy of the whole way back
 */
export function operation<Inputs extends Tree, Outputs extends readonly (tf.Tensor | undefined)[], Kept extends Tree>(
  inputs: Inputs,
  forward: (taped: boolean) => Forward<Outputs, Kept>,
  backward: (gradients: Outputs, kept: Kept) => LazyGradients<Inputs>,
): Outputs {
  let form: Kept;
  const engine = tf.engine() as unknown as Engine;
  const taped = engine.isTapeOn();
  const outputs = engine.runKernelFunc({
    inputs: Object.fromEntries(leaves(inputs)),
    forwardFunc: (_, save) => {
      const { outputs, kept } = forward(taped);
      form = kept;
      save([...leaves(kept).values()]);
      return outputs as unknown as tf.Tensor[];
    },
    backwardsFunc: (gradients, saved) => {
      const values = saved.values();
      const kept = mapTree(form, () => values.next().value!);
      const asked: unknown = backward((Array.isArray(gradients) ? gradients : [gradients]) as unknown as Outputs, kept);
      return Object.fromEntries([...leaves(inputs).keys()].map((path) => [path, at(asked, path)]));
    },
  });
  return outputs as unknown as Outputs;
}

function at(gradients: unknown, path: string): () => tf.Tensor {
  let node = gradients;
  for (const name of path.split('.')) node = (node as Record<string, unknown>)[name];
  return node as () => tf.Tensor;
}

/** What `tf.customGrad` itself is made of; tfjs has it private. */
type Engine = {
  isTapeOn(): boolean;
  runKernelFunc(invocation: {
    inputs: tf.NamedTensorMap;
    forwardFunc: (backend: unknown, save: (tensors: tf.Tensor[]) => void) => readonly tf.Tensor[];
    backwardsFunc: (gradients: tf.Tensor | tf.Tensor[], saved: tf.Tensor[]) => Record<string, () => tf.Tensor>;
  }): tf.Tensor[];
};
