import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { float32Values, int32Values, readSafetensors, type StoredTensor } from '../src/io/safetensors';

/** A folder with a model's configuration, weights, inputs and outputs, made by a reference implementation. */
export class GoldenCase {
  readonly name: string;
  readonly config: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: every case has results of its own form
  readonly golden: any;
  readonly weights: Map<string, StoredTensor>;
  readonly values: Map<string, StoredTensor>;

  constructor(readonly folder: string) {
    const json = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8'));
    const tensors = (file: string) => readSafetensors(readFileSync(join(folder, file))).tensors;
    this.name = folder.split('/').at(-1)!;
    this.config = json('config.json');
    this.golden = json('golden.json');
    this.weights = tensors('model.safetensors');
    this.values = tensors('golden.safetensors');
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
}

/** The folders of committed cases and, where they are there, of `GOLDEN_MODELS`, whose name begins with `prefix`. */
export function goldenFolders(prefix: string): string[] {
  const roots = [
    join(import.meta.dirname, 'goldens'),
    process.env.GOLDEN_MODELS ?? join(import.meta.dirname, '../../shared/goldens/models'),
  ];
  return roots.filter(existsSync).flatMap((root) =>
    readdirSync(root)
      .filter((name) => name.startsWith(prefix))
      .map((name) => join(root, name)),
  );
}
