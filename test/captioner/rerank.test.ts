import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import type { Caption } from '../../src/captioner';
import { cosineJudge, rerankCaption } from '../../src/captioner/rerank';
import { UsageError } from '../../src/core/errors';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const said = (text: string, score: number) => ({ text, words: text.split(' '), tokens: [4], logProbs: [score], score });
const caption: Caption = {
  ...said('a dog', -1),
  grid: [1, 1],
  alternatives: [said('a brown dog', -2), said('a dog on grass', -4), said('a dog', -5)],
};
const judgeBy = (numbers: number[]) => async (texts: readonly string[]) => {
  expect(texts).toEqual(['a dog', 'a brown dog', 'a dog on grass', 'a dog']);
  return numbers;
};
const scores = (captions: { score: number }[]) => captions.map(({ score }) => score);

test('the judge alone decides, unless it is given a share', async () => {
  const judge = judgeBy([0.2, 0.9, 0.9, 0.1]);
  const alone = await rerankCaption(caption, judge);
  expect(alone[0]).toEqual({ ...caption.alternatives![0], judged: 0.9 });
  expect(scores(alone)).toEqual([-2, -4, -1, -5]);
  expect(scores(await rerankCaption(caption, judge, { share: 0 }))).toEqual([-1, -2, -4, -5]);
  // Standardised: scores (-1, -2, -4, -5) by 3 and 1.581; the judge's by 0.525 and 0.377.
  const half = [0.5 * (2 / 1.581) + 0.5 * (-0.325 / 0.377), 0.5 * (1 / 1.581) + 0.5 * (0.375 / 0.377)];
  expect(half[1]).toBeGreaterThan(half[0]!);
  expect(scores(await rerankCaption(caption, judge, { share: 0.5 }))).toEqual([-2, -1, -4, -5]);
});

test('a judge to whom all are alike changes nothing', async () => {
  expect(scores(await rerankCaption(caption, judgeBy([1, 1, 1, 1]), { share: 0.7 }))).toEqual([-1, -2, -4, -5]);
  const { alternatives: _, ...single } = caption;
  expect(await rerankCaption(single, async () => [3])).toMatchObject([{ text: 'a dog', judged: 3 }]);
});

test('what cannot be meant is refused', async () => {
  await expect(rerankCaption(caption, judgeBy([1, 2, 3, 4]), { share: 1.1 })).rejects.toThrow(UsageError);
  await expect(rerankCaption(caption, judgeBy([1, 2]))).rejects.toThrow(/2 numbers for 4 captions/);
});

test('vectors are compared by their cosine, and nothing stays behind', () =>
  expectNoLeak(async () => {
    const image = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 as const };
    const embedder = {
      embedImages: async () => tf.tensor2d([[0.6, 0.8]]),
      embedTexts: async () =>
        tf.tensor2d([
          [1, 0],
          [0, 1],
          [-0.6, -0.8],
        ]),
    };
    expectClose(await cosineJudge(embedder, image)(['x', 'y', 'z']), [0.6, 0.8, -1], 1e-6);
    const broken = { ...embedder, embedTexts: () => Promise.reject(new Error('no')) };
    await expect(cosineJudge(broken, image)(['x'])).rejects.toThrow('no');
  }));
