import { ciderKernels } from '../cider';
import { type DocumentFrequencies, readDocumentFrequencies } from '../documentFrequencies';
import type { Tokens } from '../metric';
import { evenness, singularValues } from './spectrum';

/**
 * CIDEr-D x 10 between the captions of each image, from which `selfCider` follows: [captions, captions] per image.
 *
 * The reference scores caption i against caption j for i <= j and mirrors the result, though clipping makes the other
 * direction another number. Hence self-CIDEr depends a little on the order in which captions are given.
 *
 * @param documentFrequencies - by default counted in the sets, each an image; published numbers use those of COCO's
 *   training captions. By default a single set gives zeros, because each of its n-grams occurs everywhere
 */
export function selfCiderKernels(
  sets: readonly (readonly Tokens[])[],
  documentFrequencies?: DocumentFrequencies,
): number[][][] {
  return ciderKernels(sets, documentFrequencies && readDocumentFrequencies(documentFrequencies));
}

/**
 * Self-CIDEr of one image's captions: from 0, all alike, to 1, nothing in common. A single caption has 0, and so have
 * captions without words, of which CIDEr sees nothing.
 *
 * A kernel that is not positive semi-definite, as clipping and damping allow, counts its negative eigenvalues by their
 * size; that follows from the singular values which the reference takes.
 *
 * @param kernel - of one image, as `selfCiderKernels` gives it
 * @see Wang and Chan 2019, https://arxiv.org/abs/1903.12020
 */
export function selfCider(kernel: readonly (readonly number[])[]): number {
  return evenness(singularValues(kernel).map(Math.sqrt));
}
