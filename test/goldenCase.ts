import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import type { WeightSource } from '../src/core/spec';
import { float32Values, int32Values, readSafetensors, type StoredTensor } from '../src/io/safetensors';
import { expectClose } from './helpers';

/** A folder with a model's configuration, weights, inputs and outputs, made by a reference implementation. */
export class GoldenCase {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: every case has results of its own form
  readonly golden: any;
  readonly values: Map<string, StoredTensor>;
  private readonly compared = new Set<string>();

  constructor(readonly folder: string) {
    this.name = folder.split('/').at(-1)!;
    this.golden = this.json('golden.json');
    this.values = this.tensors('golden.safetensors');
  }

  get config(): Record<string, unknown> {
    return this.json('config.json');
  }

  get weights(): Map<string, StoredTensor> {
    return this.tensors('model.safetensors');
  }

  /** The weights as a model loads them. */
  get source(): WeightSource {
    const tensors = this.weights;
    return { tensors, read: async (name) => float32Values(tensors.get(name)!), where: this.folder };
  }

  // biome-ignore lint/suspicious/noExplicitAny: see above
  json(file: string): any {
    return JSON.parse(readFileSync(join(this.folder, file), 'utf8'));
  }

  has(file: string): boolean {
    return existsSync(join(this.folder, file));
  }

  tensors(file: string): Map<string, StoredTensor> {
    return readSafetensors(readFileSync(join(this.folder, file))).tensors;
  }

  tensor(name: string): tf.Tensor {
    const stored = this.values.get(name)!;
    const shape = [...stored.shape];
    return stored.dtype.startsWith('F')
      ? tf.tensor(float32Values(stored), shape)
      : tf.tensor(int32Values(stored), shape, 'int32');
  }

  /** The tolerance that the case states for an output. */
  tolerance(name: string): { atol: number; rtol: number } {
    return this.golden.tensors[name];
  }

  /** Compares with the output of this name at the tolerance that the case states, shape included. */
  compare(name: string, actual: tf.Tensor): void {
    this.compared.add(name);
    const expected = this.tensor(name);
    expect(actual.shape, name).toEqual(expected.shape);
    const { atol = 0, rtol = 0 } = this.tolerance(name);
    expectClose(actual, expected, atol, rtol);
  }

  /** The names of all outputs that begin so. */
  outputs(prefix: string): string[] {
    return [...this.values.keys()].filter((name) => name.startsWith(prefix));
  }

  /** One of the results that are no tensors; who asks for it compares all of it. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  result(name: string): any {
    this.compared.add(name);
    return this.golden.results[name];
  }

  /** Fails where the case holds an output or a result that no test has compared. */
  expectAllCompared(): void {
    const held = [...this.outputs('out.'), ...Object.keys(this.golden.results)];
    expect(
      held.filter((name) => !this.compared.has(name)),
      `outputs of ${this.folder} that were not compared`,
    ).toEqual([]);
  }
}

/** The folders that hold cases: the committed ones, and `GOLDEN_MODELS` or its default where that is there. */
export function goldenRoots(): string[] {
  return [
    join(import.meta.dirname, 'goldens/models'),
    process.env.GOLDEN_MODELS ?? join(import.meta.dirname, '../../shared/goldens/models'),
  ].filter(existsSync);
}

/** The folders of the cases whose name begins with `prefix`. */
export function goldenFolders(prefix: string): string[] {
  return goldenRoots().flatMap((root) =>
    readdirSync(root)
      .filter((name) => name.startsWith(prefix))
      .map((name) => join(root, name)),
  );
}
