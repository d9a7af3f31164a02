import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import type { ParameterSpec, SpecTree } from '../../src/core/spec';
import { specLeaves, stateDict } from '../../src/core/spec';
import type { Gradients } from '../../src/training/gradients';
import type { GoldenCase } from '../goldenCase';

/**
 * Gradients by the names that PyTorch has for the parameters, each in PyTorch's layout.
 *
 * @param grads - by path in the tree of `spec`
 */
export function byKey(spec: SpecTree, grads: Gradients): Map<string, tf.Tensor> {
  const leaves = [...specLeaves(spec)].filter(([path]) => grads.has(path));
  const found = new Map<string, tf.Tensor>();
  for (const [path, leaf] of leaves) {
    const [entry] = [...stateDict({ one: leaf as ParameterSpec }, { one: grads.get(path)! })];
    found.set(entry![0], entry![1]);
  }
  return found;
}

/**
 * Compares the norms of all gradients, and that no other parameter has one.
 *
 * Relative 1e-3; below 1e-5 a norm is what rounding leaves of zero: the bias of keys adds the same to all scores of a query,
 * which softmax takes away.
 */
export function expectGradNorms(found: ReadonlyMap<string, tf.Tensor>, expected: Record<string, number>): void {
  const norms = Object.fromEntries([...found].map(([key, gradient]) => [key, tf.norm(gradient).dataSync()[0]!]));
  const named = Object.entries(expected).filter(([, norm]) => norm > 1e-5);
  for (const [key, norm] of Object.entries(norms)) if (!(key in expected)) expect(norm, key).toBeLessThan(1e-5);
  for (const [key, norm] of Object.entries(expected)) {
    expect(norms[key] ?? 0, key).toBeGreaterThanOrEqual(norm - 1e-3 * norm - 1e-5);
    expect(norms[key] ?? 0, key).toBeLessThanOrEqual(norm + 1e-3 * norm + 1e-5);
  }
  expect(named.length).toBeGreaterThan(0);
}

/** Compares every `out.grad.*` of the case. */
export function compareGradients(
  golden: GoldenCase,
  found: ReadonlyMap<string, tf.Tensor>,
  prefix = 'out.grad.',
): void {
  for (const name of golden.outputs(prefix)) {
    const gradient = found.get(name.slice(prefix.length));
    expect(gradient, name).toBeDefined();
    golden.compare(name, gradient!);
  }
}
