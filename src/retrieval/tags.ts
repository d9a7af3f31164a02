import { expectPositive, expectWhole, UsageError } from '../core/errors';
import type { Image } from '../data/types';
import type { ImageTextEmbedder } from './types';
import { rowsOf, unitLength } from './vectors';

export type TagOptions = {
  /** What words are put into, at `{}`; the vectors that a word gets in all of them are averaged. */
  templates?: readonly string[];
  /** What cosines are multiplied by before the softmax; by default 100, as CLIP learnt it. */
  scale?: number;
};

/** `probability`: among the words that were given, which sum to 1. */
export type Tag = { tag: string; probability: number; score: number };

/** The likeliest words of pictures, best first. */
export type Tagger = (images: readonly Image[], options?: { top?: number }) => Promise<Tag[][]>;

/** Texts that are embedded at a time. */
const TOGETHER = 64;

/**
 * Makes a function that says which of some words fit a picture best. The words are embedded here, once.
 *
 * @see Radford et al. 2021, https://arxiv.org/abs/2103.00020, section 3.1.4, on templates
 */
export async function createTagger(
  embedder: ImageTextEmbedder,
  tags: readonly string[],
  { templates = ['a photo of {}.'], scale = 100 }: TagOptions = {},
): Promise<Tagger> {
  expectPositive('scale', scale);
  if (tags.length === 0 || new Set(tags).size < tags.length)
    throw new UsageError('Tags should be a list of different words, at least one.');
  if (templates.length === 0 || templates.some((template) => !template.includes('{}')))
    throw new UsageError("Templates should be texts with {} where the word goes, such as 'a photo of {}.'.");
  const texts = tags.flatMap((tag) => templates.map((template) => template.replaceAll('{}', () => tag)));
  const rows: Float32Array[] = [];
  for (let start = 0; start < texts.length; start += TOGETHER)
    rows.push(...(await rowsOf(embedder.embedTexts(texts.slice(start, start + TOGETHER)))));
  const vectors = tags.map((tag, i) =>
    mean(rows.slice(i * templates.length, (i + 1) * templates.length), `What the embedder makes of '${tag}'`),
  );

  return async (images, { top = 5 } = {}) => {
    expectWhole('top', top, 1);
    if (images.length === 0) return [];
    const pictures = await rowsOf(embedder.embedImages(images));
    return pictures.map((picture) => {
      const scores = vectors.map((vector) => vector.reduce((sum, value, i) => sum + value * picture[i]!, 0));
      const largest = scores.reduce((a, b) => Math.max(a, b));
      const weights = scores.map((score) => Math.exp(scale * (score - largest)));
      const sum = weights.reduce((a, b) => a + b);
      return tags
        .map((tag, i) => ({ tag, probability: weights[i]! / sum, score: scores[i]! }))
        .sort((a, b) => b.score - a.score)
        .slice(0, top);
    });
  };
}

/** The direction between some vectors of length 1. */
function mean(vectors: readonly Float32Array[], what: string): Float64Array {
  const sum = new Float64Array(vectors[0]!.length);
  for (const vector of vectors) for (const [i, value] of unitLength(vector, what).entries()) sum[i]! += value;
  return unitLength(sum, what);
}
