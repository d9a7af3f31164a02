import type * as tf from '@tensorflow/tfjs';

/** Parameters, states and memories: plain nested objects and arrays whose leaves are tensors. */
export type Tree = tf.Tensor | undefined | Tree[] | { [name: string]: Tree };

const isTensor = (node: Tree): node is tf.Tensor => typeof (node as tf.Tensor | undefined)?.dataId === 'object';

/** Calls `change` on every tensor and returns a tree of the same form; absent leaves stay absent. */
export function mapTree<T extends Tree>(tree: T, change: (tensor: tf.Tensor, path: string) => tf.Tensor): T {
  const walk = (node: Tree, path: string): Tree => {
    if (node === undefined) return undefined;
    if (isTensor(node)) return change(node, path);
    const at = (name: string | number) => (path === '' ? `${name}` : `${path}.${name}`);
    if (Array.isArray(node)) return node.map((child, index) => walk(child, at(index)));
    return Object.fromEntries(Object.entries(node).map(([name, child]) => [name, walk(child, at(name))]));
  };
  return walk(tree, '') as T;
}

/** The leaves by path, such as `decoder.lstm.0.input`, in the order in which the tree was written down. */
export function leaves(tree: Tree, prefix = ''): Map<string, tf.Tensor> {
  const found = new Map<string, tf.Tensor>();
  mapTree(tree, (tensor, path) => {
    found.set(prefix === '' ? path : path === '' ? prefix : `${prefix}.${path}`, tensor);
    return tensor;
  });
  return found;
}

/** Disposes every tensor of the tree. */
export function disposeTree(tree: Tree): void {
  for (const tensor of leaves(tree).values()) tensor.dispose();
}
