import * as tf from '@tensorflow/tfjs';
import { DataError } from './errors';
import { leaves, mapTree, type Tree } from './tree';

/** Makes every tensor of the tree a trainable variable; the given tensors are disposed. */
export function variables<T extends Tree>(tree: T): T {
  return mapTree(tree, (tensor) => {
    const variable = tf.variable(tensor);
    tensor.dispose();
    return variable;
  });
}

/** The variables of a tree by path, such as `decoder.output.weight` with the prefix `decoder`. */
export function parametersOf(tree: Tree, prefix = ''): Map<string, tf.Variable> {
  return leaves(tree, prefix) as Map<string, tf.Variable>;
}

/**
 * Gives every parameter the value of its name.
 *
 * @param read - the values of a name, borrowed until it is assigned, then disposed
 * @throws DataError with everything that is missing, unexpected or of another shape, before anything is assigned
 */
export function assignParameters(
  parameters: ReadonlyMap<string, tf.Variable>,
  given: ReadonlyMap<string, readonly number[]>,
  read: (name: string) => tf.Tensor,
  where: string,
): void {
  const problems: string[] = [];
  for (const [name, { shape }] of parameters) {
    const found = given.get(name);
    if (!found) problems.push(`${name} [${shape}] is missing`);
    else if (`${found}` !== `${shape}`) problems.push(`${name} is [${found}] but should be [${shape}]`);
  }
  for (const name of given.keys()) if (!parameters.has(name)) problems.push(`${name} is not part of this model`);
  if (problems.length > 0) {
    const shown = problems.slice(0, 20).join('\n  ');
    const more = problems.length > 20 ? `\n  ... and ${problems.length - 20} more` : '';
    throw new DataError(
      `The weights in ${where} do not fit the model that its configuration describes:\n  ${shown}${more}\n` +
        'Do configuration and weights come from the same training?',
    );
  }
  for (const [name, parameter] of parameters) {
    const value = read(name);
    parameter.assign(value);
    value.dispose();
  }
}
