import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expectClose } from './helpers';

export type Stored = { shape: number[]; values: number[] };

/** What scripts/make_transformer_goldens.py wrote. */
// biome-ignore lint/suspicious/noExplicitAny: every case has a form of its own
export function transformerGolden(file: string): any {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'goldens/transformer', file), 'utf8'));
}

export const tensorOf = <R extends tf.Rank>({ shape, values }: Stored): tf.Tensor<R> =>
  tf.tensor<R>(values, shape as tf.ShapeMap[R]);

/** Compares the output of `forward` and its gradients by name. @param atol - of float32 against double precision */
export function expectGradients(
  forward: (inputs: Record<string, tf.Tensor>) => tf.Tensor,
  inputs: Record<string, Stored>,
  expected: { output: Stored; above: Stored; gradients: Record<string, Stored> },
  atol: number,
): void {
  tf.tidy(() => {
    const names = Object.keys(inputs);
    const given = names.map((name) => tensorOf(inputs[name]!));
    const run = (...values: tf.Tensor[]) => forward(Object.fromEntries(names.map((name, i) => [name, values[i]!])));
    const output = run(...given);
    expectClose(output, expected.output.values, atol, atol);
    const found = tf.grads(run)(given, tensorOf(expected.above));
    for (const [i, name] of names.entries()) expectClose(found[i]!, expected.gradients[name]!.values, atol, atol);
  });
}
