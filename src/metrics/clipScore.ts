import { ScoringError } from './errors';
import { mean, type Scores } from './metric';

/** What CLIP makes of an image or of a text. Its length does not matter, only its direction. */
export type Embedding = readonly number[] | Float32Array | Float64Array;

export type ClipScoreOptions = {
  /** The factor w, above 0. Published scores have 2.5, which spreads the cosines of CLIP ViT-B/32 over about 0 to 1. */
  weight?: number;
};

export type ClipScores = Scores<'CLIPScore'>;
export type RefClipScores = Scores<'RefCLIPScore'>;

/** What stands before each caption, candidate or reference, when CLIP embeds it for published scores. */
export const CLIP_SCORE_PREFIX = 'A photo depicts ';

/**
 * CLIPScore: how well a caption fits its image, w x max(cosine, 0). The caller makes the embeddings; scores compare with
 * published ones where they come from CLIP ViT-B/32, `CLIP_SCORE_PREFIX` before each caption, and w is 2.5.
 *
 * @returns from 0 to w
 * @throws ScoringError for embeddings that differ in size, are all zeros or hold what is no finite number
 * @see Hessel et al. 2021, https://arxiv.org/abs/2104.08718, section 3
 */
export function clipScore(image: Embedding, caption: Embedding, options: ClipScoreOptions = {}): number {
  return clipScores([image], [caption], options).corpus.CLIPScore;
}

/**
 * RefCLIPScore: the harmonic mean of CLIPScore and of the best cosine between the caption and a reference, or 0 where no
 * cosine is above it. It is 0 where either of the two is. This is the paper's rule; the authors' program lets a negative
 * cosine through and divides 0 by 0.
 *
 * @param references - embedded as the caption is; at least one
 * @returns from 0 to 2w / (w + 1)
 * @throws ScoringError as `clipScore` does, and where there is no reference
 * @see Hessel et al. 2021, https://arxiv.org/abs/2104.08718, section 3
 */
export function refClipScore(
  image: Embedding,
  caption: Embedding,
  references: readonly Embedding[],
  options: ClipScoreOptions = {},
): number {
  return refClipScores([image], [caption], [references], options).corpus.RefCLIPScore;
}

/** CLIPScore of many captions, image i beside caption i. The corpus score is the mean. */
export function clipScores(
  images: readonly Embedding[],
  captions: readonly Embedding[],
  options: ClipScoreOptions = {},
): ClipScores {
  const scores = imageScores(images, captions, options);
  return { corpus: { CLIPScore: mean(scores) }, segments: scores.map((score) => ({ CLIPScore: score })) };
}

/** RefCLIPScore of many captions, image i and references i beside caption i. The corpus score is the mean. */
export function refClipScores(
  images: readonly Embedding[],
  captions: readonly Embedding[],
  references: readonly (readonly Embedding[])[],
  options: ClipScoreOptions = {},
): RefClipScores {
  expectCount('sets of references', references.length, captions.length);
  const scores = imageScores(images, captions, options).map((imageScore, index) => {
    const similarities = references[index]!.map((reference, number) =>
      similarity(captions[index]!, reference, `caption ${index}`, `reference ${number} of caption ${index}`),
    );
    if (similarities.length === 0)
      throw new ScoringError(`Caption ${index} has no references; RefCLIPScore needs at least one.`);
    return harmonicMean(imageScore, Math.max(...similarities));
  });
  return { corpus: { RefCLIPScore: mean(scores) }, segments: scores.map((score) => ({ RefCLIPScore: score })) };
}

/**
 * The rows of a tensor [count, size], such as `await tensor.data()` gives, as embeddings; they share its memory.
 *
 * @throws ScoringError where the values are no whole number of rows
 */
export function embeddingRows(values: Float32Array, size: number): Float32Array[] {
  if (!Number.isInteger(size) || size < 1 || values.length % size !== 0)
    throw new ScoringError(
      `${values.length} values are not rows of ${size}; give the size of one embedding, which is 512 for ViT-B/32.`,
    );
  return Array.from({ length: values.length / size }, (_, row) => values.subarray(row * size, (row + 1) * size));
}

function imageScores(
  images: readonly Embedding[],
  captions: readonly Embedding[],
  { weight = 2.5 }: ClipScoreOptions,
): number[] {
  if (!(weight > 0 && weight < Infinity))
    throw new ScoringError(`weight is ${weight} but should be a number above 0; published scores have 2.5.`);
  if (captions.length === 0) throw new ScoringError('There are no captions to score: the list is empty.');
  expectCount('images', images.length, captions.length);
  return captions.map(
    (caption, index) => weight * similarity(images[index]!, caption, `image ${index}`, `caption ${index}`),
  );
}

function expectCount(what: string, count: number, captions: number): void {
  if (count !== captions)
    throw new ScoringError(
      `There are ${count} ${what} but ${captions} captions; give one for each, in the same order.`,
    );
}

/** The cosine, or 0 where it is negative. */
function similarity(a: Embedding, b: Embedding, aName: string, bName: string): number {
  if (a.length !== b.length)
    throw new ScoringError(
      `The embedding of ${aName} has ${a.length} numbers and that of ${bName} ${b.length}. Both have to come from the ` +
        'same CLIP model, after its projection.',
    );
  const [aScale, bScale] = [largest(a, aName), largest(b, bName)];
  let [product, aSquares, bSquares] = [0, 0, 0];
  for (let k = 0; k < a.length; k++) {
    // Scaled, so that no square overflows or vanishes.
    const [x, y] = [a[k]! / aScale, b[k]! / bScale];
    product += x * y;
    aSquares += x * x;
    bSquares += y * y;
  }
  return Math.max(0, product / Math.sqrt(aSquares * bSquares));
}

/** The largest absolute value of an embedding, which is finite and above 0. */
function largest(embedding: Embedding, name: string): number {
  let found = 0;
  for (const [index, value] of embedding.entries()) {
    if (!Number.isFinite(value))
      throw new ScoringError(`The embedding of ${name} holds ${value} at ${index}; its numbers have to be finite.`);
    found = Math.max(found, Math.abs(value));
  }
  if (found === 0)
    throw new ScoringError(
      `The embedding of ${name} has ${embedding.length} numbers, none of them above or below 0; it has no direction to compare.`,
    );
  return found;
}

function harmonicMean(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : (2 * a * b) / (a + b);
}
