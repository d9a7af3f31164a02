import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random';
import { retrievalRanks, retrievalScores } from '../../src/retrieval/recall';
import { randomVectors } from './vectors';

const flat = (vectors: readonly Float32Array[], size: number) => ({
  values: Float32Array.from(vectors.flatMap((vector) => [...vector])),
  size,
});

describe('ranks', () => {
  test('are the places in sorted lists', () => {
    const [images, size] = [40, 16];
    const imageVectors = randomVectors(images, size, 1);
    // From one to five texts of each picture, in a mixed order, somewhat like their picture.
    const owners = new Random(2).shuffle(imageVectors.flatMap((_, i) => Array<number>(1 + (i % 5)).fill(i)));
    const noise = randomVectors(owners.length, size, 3);
    const textVectors = owners.map((owner, t) => imageVectors[owner]!.map((value, i) => value + 1.2 * noise[t]![i]!));
    const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
    const order = (count: number, score: (i: number) => number) =>
      Array.from({ length: count }, (_, i) => i).sort((a, b) => score(b) - score(a));

    const { imageToText, textToImage } = retrievalRanks(flat(imageVectors, size), flat(textVectors, size), owners);
    expect(textToImage).toEqual(
      owners.map((owner, t) => 1 + order(images, (i) => cosine(imageVectors[i]!, textVectors[t]!)).indexOf(owner)),
    );
    expect(imageToText).toEqual(
      imageVectors.map((vector, image) => {
        const texts = order(owners.length, (t) => cosine(vector, textVectors[t]!));
        return 1 + texts.findIndex((t) => owners[t] === image);
      }),
    );
    expect(new Set(textToImage).size).toBeGreaterThan(5); // or the task would be too easy to tell
  });

  test('of a model for which all is alike are the last ones', () => {
    const same = { values: new Float32Array(12).fill(0.5), size: 4 };
    const { imageToText, textToImage } = retrievalRanks(same, same, [0, 1, 2]);
    expect([imageToText, textToImage]).toEqual([
      [3, 3, 3],
      [3, 3, 3],
    ]);
  });

  test('of the captions of a picture the best counts, and another caption of it is no mistake', () => {
    const images = { values: Float32Array.of(1, 0, 0, 1), size: 2 };
    const texts = { values: Float32Array.of(1, 0, 0.9, 0.1, 0.8, 0.2, 0, 1), size: 2 };
    expect(retrievalRanks(images, texts, [0, 0, 1, 1])).toEqual({ imageToText: [1, 1], textToImage: [1, 1, 2, 1] });
  });

  test('wrong input is refused', () => {
    const two = { values: Float32Array.of(1, 0, 0, 1), size: 2 };
    expect(() => retrievalRanks(two, { values: new Float32Array(3), size: 3 }, [0])).toThrow(/one space/);
    expect(() => retrievalRanks(two, two, [0])).toThrow(/2 texts.*pictures of 1/);
    expect(() => retrievalRanks(two, two, [0, 2])).toThrow(/Text 1 belongs to picture 2/);
    expect(() => retrievalRanks(two, two, [0, 0])).toThrow(/Picture 1 has no text/);
    expect(() => retrievalRanks({ values: new Float32Array(3), size: 2 }, two, [0, 0])).toThrow(/not one row of 2/);
  });
});

describe('scores', () => {
  test('by hand', () => {
    expect(retrievalScores([1, 3, 12, 6, 1])).toEqual({
      'recall@1': 2 / 5,
      'recall@5': 3 / 5,
      'recall@10': 4 / 5,
      medianRank: 3,
      meanRank: 23 / 5,
    });
    expect(retrievalScores([2, 5, 9, 100])).toMatchObject({ medianRank: 7, 'recall@1': 0, 'recall@10': 3 / 4 });
    expect(retrievalScores([4])).toMatchObject({ medianRank: 4, meanRank: 4 });
    expect(() => retrievalScores([])).toThrow(/no ranks/);
    expect(() => retrievalScores([0])).toThrow(/rank is 0/);
  });
});
