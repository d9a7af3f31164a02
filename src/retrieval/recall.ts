import { expectWhole, UsageError } from '../core/errors';

/** How well the right ones are found. Recalls are shares, in [0, 1]; a rank is 1 where the first result is right. */
export type RetrievalScores = {
  'recall@1': number;
  'recall@5': number;
  'recall@10': number;
  medianRank: number;
  meanRank: number;
};

/** Rows of vectors of length 1, [rows, size], row by row. */
export type Vectors = { values: Float32Array; size: number };

/**
 * What is said of ranks: the shares of those that are at most 1, 5 and 10, their median (the mean of the two middle ones of an
 * even number) and their mean.
 *
 * @param ranks - of each query the best rank of a right result, from 1 on
 */
export function retrievalScores(ranks: readonly number[]): RetrievalScores {
  if (ranks.length === 0) throw new UsageError('There are no ranks: nothing was searched for.');
  for (const rank of ranks) expectWhole('A rank', rank, 1);
  const sorted = [...ranks].sort((a, b) => a - b);
  const recall = (k: number) => sorted.filter((rank) => rank <= k).length / sorted.length;
  const middle = sorted.length / 2;
  return {
    'recall@1': recall(1),
    'recall@5': recall(5),
    'recall@10': recall(10),
    medianRank: (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2,
    meanRank: sorted.reduce((sum, rank) => sum + rank, 0) / sorted.length,
  };
}

/**
 * The ranks of pictures that are searched for by their captions, and of captions that are searched for by their pictures. Of
 * several captions of a picture the one with the best rank counts, as published tables have it. A result that is as good as the
 * right one counts as better, so that a model that takes all for alike gets no credit.
 *
 * @param imageOf - for each text the row of its picture; each picture has at least one text
 */
export function retrievalRanks(
  images: Vectors,
  texts: Vectors,
  imageOf: readonly number[],
): { imageToText: number[]; textToImage: number[] } {
  const [imageCount, textCount] = [rowsIn(images, 'images'), rowsIn(texts, 'texts')];
  if (images.size !== texts.size)
    throw new UsageError(
      `Pictures have vectors of ${images.size} numbers and texts of ${texts.size}: one space is needed.`,
    );
  const textsOf = captionsByImage(imageOf, imageCount, textCount);
  const scores = new Float64Array(imageCount * textCount); // [images, texts]
  for (let image = 0; image < imageCount; image++)
    for (let text = 0; text < textCount; text++) scores[image * textCount + text] = product(images, image, texts, text);
  const score = (image: number, text: number) => scores[image * textCount + text]!;
  return {
    imageToText: textsOf.map((own, image) => {
      const best = Math.max(...own.map((text) => score(image, text)));
      let rank = 1;
      for (let text = 0; text < textCount; text++) if (imageOf[text] !== image && score(image, text) >= best) rank++;
      return rank;
    }),
    textToImage: imageOf.map((right, text) => {
      let rank = 1;
      for (let image = 0; image < imageCount; image++)
        if (image !== right && score(image, text) >= score(right, text)) rank++;
      return rank;
    }),
  };
}

function rowsIn({ values, size }: Vectors, what: string): number {
  expectWhole('size', size, 1);
  const rows = values.length / size;
  if (Number.isInteger(rows) && rows > 0) return rows;
  throw new UsageError(`The ${what} have ${values.length} numbers, which are not one row of ${size} or more.`);
}

function captionsByImage(imageOf: readonly number[], images: number, texts: number): number[][] {
  if (imageOf.length !== texts)
    throw new UsageError(`There are ${texts} texts, but imageOf names the pictures of ${imageOf.length}.`);
  const textsOf = Array.from({ length: images }, (): number[] => []);
  for (const [text, image] of imageOf.entries()) {
    const own = textsOf[image];
    if (!own) throw new UsageError(`Text ${text} belongs to picture ${image}, but there are ${images} pictures.`);
    own.push(text);
  }
  const bare = textsOf.findIndex((own) => own.length === 0);
  if (bare >= 0) throw new UsageError(`Picture ${bare} has no text, so none can be found for it. Leave it out.`);
  return textsOf;
}

function product(a: Vectors, row: number, b: Vectors, other: number): number {
  let sum = 0;
  for (let i = 0; i < a.size; i++) sum += a.values[row * a.size + i]! * b.values[other * b.size + i]!;
  return sum;
}
