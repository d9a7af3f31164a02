import type * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import { expectClose } from '../helpers';

/** Numbers of a tensor at equal distances, and the root of the mean square of all. */
export type Some = { shape: number[]; every: number; rms: number; values: number[] };

/** The finaliser of MurmurHash3. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** As scripts/make_encoder_goldens.py has it. */
export function noise(name: string, count: number): Float32Array {
  let seed = 0;
  for (const letter of name) seed = mix(seed ^ Math.imul(letter.codePointAt(0)! + 1, 0x9e3779b1));
  return Float32Array.from({ length: count }, (_, i) => 2 * (mix(seed + Math.imul(i, 0x9e3779b1)) / 2 ** 32) - 1);
}

/** Compares with numbers of the reference, which has them in double precision, relative to all of the tensor. */
export function expectSome(actual: tf.Tensor, { shape, every, rms, values }: Some): void {
  expect(actual.shape).toEqual(shape);
  const some = actual.dataSync().filter((_, index) => index % every === 0);
  // float32 through up to 150 layers
  expectClose(some, values, 1e-3 * rms, 1e-4);
}
