import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import type { PixelImage } from '../../src/data/types';
import { duplicateGroups } from '../../src/retrieval/nearDuplicates';
import { rerank } from '../../src/retrieval/rerank';
import { createTagger } from '../../src/retrieval/tags';
import type { ImageTextEmbedder } from '../../src/retrieval/types';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const picture = (value: number): PixelImage => ({ data: Uint8Array.of(value), width: 1, height: 1, channels: 1 });

describe('tags', () => {
  /** Directions in a plane, in degrees: of a text by its words, of a picture by its pixel. */
  const degrees: Record<string, number> = {
    'a cat.': 10,
    'two cat': 30,
    'a dog.': 80,
    'two dog': 100,
    'a $& cow.': 170,
    'two $& cow': 200,
  };
  const directions = async (angles: number[]) =>
    tf.tensor2d(angles.map((angle) => [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)]));
  const embedder: ImageTextEmbedder = {
    embedImages: (images) => directions(images.map((image) => (image as PixelImage).data[0]!)),
    embedTexts: (texts) => directions(texts.map((text) => degrees[text]!)),
  };

  test('are the nearest words over all templates, with probabilities', () =>
    expectNoLeak(async () => {
      const tag = await createTagger(embedder, ['cat', 'dog', '$& cow'], { templates: ['a {}.', 'two {}'], scale: 10 });
      const [first, second] = await tag([picture(70), picture(190)], { top: 2 });
      // Between its templates a cat lies at 20 degrees, a dog at 90, a cow at 185.
      const cosines = [90, 20, 185].map((angle) => Math.cos(((angle - 70) * Math.PI) / 180));
      const weights = cosines.map((cosine) => Math.exp(10 * cosine));
      const sum = weights.reduce((a, b) => a + b);
      expect(first!.map(({ tag }) => tag)).toEqual(['dog', 'cat']);
      expectClose(
        first!.map(({ score }) => score),
        cosines.slice(0, 2),
        1e-6,
      );
      expectClose(
        first!.map(({ probability }) => probability),
        weights.slice(0, 2).map((weight) => weight / sum),
        1e-6,
      );
      expect(second![0]!.tag).toBe('$& cow');
      expect(await tag([])).toEqual([]);
    }));

  test('wrong use is refused', async () => {
    await expect(createTagger(embedder, [])).rejects.toThrow(/different words/);
    await expect(createTagger(embedder, ['cat', 'cat'])).rejects.toThrow(/different words/);
    await expect(createTagger(embedder, ['cat'], { templates: ['a photo'] })).rejects.toThrow(/\{\}/);
    await expect(createTagger(embedder, ['cat'], { scale: 0 })).rejects.toThrow(/scale is 0/);
  });
});

describe('re-ranking', () => {
  const results = [5, 3, 9, 1].map((value, i) => ({ id: `${value}`, score: 1 - i / 10 }));
  const asked: number[] = [];
  const scorer = {
    async score(_: string, images: readonly unknown[]) {
      asked.push(images.length);
      return images.map((image) => (image as PixelImage).data[0]!);
    },
  };
  const read = async (id: string) => picture(Number(id));

  test('the first ones get a new order, the others stay', async () => {
    const reranked = await rerank(scorer, 'text', results, read, { first: 3, batchSize: 2 });
    expect(reranked.map(({ id, match }) => [id, match])).toEqual([
      ['9', 9],
      ['5', 5],
      ['3', 3],
      ['1', undefined],
    ]);
    expect(asked).toEqual([2, 1]);
  });

  test('of equals the one that was first stays so', async () => {
    const same = { score: async (_: string, images: readonly unknown[]) => images.map(() => 1) };
    expect((await rerank(same, 'text', results, read)).map(({ id }) => id)).toEqual(['5', '3', '9', '1']);
  });

  test('a scorer that forgets a picture is an error', async () => {
    await expect(rerank({ score: async () => [] }, 'text', results, read)).rejects.toThrow(/0 scores for 4/);
  });
});

test('groups of near-duplicates follow chains of pairs', async () => {
  const pair = (first: string, second: string) => ({ first, second, score: 0.99 });
  const groups = await duplicateGroups([
    pair('a', 'b'),
    pair('c', 'd'),
    pair('e', 'f'),
    pair('b', 'c'),
    pair('a', 'd'),
  ]);
  expect(groups.map(({ ids, pairs }) => [[...ids].sort().join(''), pairs.length])).toEqual([
    ['abcd', 4],
    ['ef', 1],
  ]);
  expect(await duplicateGroups([])).toEqual([]);
});
