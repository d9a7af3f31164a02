import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AttentionLSTMCaptioner } from '../src/attentionLSTMCaptioner';
import { selectBackend } from '../src/node/backends';
import { directory } from '../src/node/directory';
import { readImage } from '../src/node/image';

const root = join(import.meta.dirname, '..');
let captioner: AttentionLSTMCaptioner;
beforeAll(async () => {
  await selectBackend({ prefer: 'wasm' });
  captioner = await AttentionLSTMCaptioner.load(directory(join(root, 'models', 'flickr8k')));
});
afterAll(() => captioner?.dispose());

// Of the photographs at hand Flickr8k can teach this one alone: people. What it says about the others is in its model card.
test('the captioner that is shipped sees a person where there is one', async () => {
  const { text, logProbs, attention, grid } = await captioner.caption(
    await readImage(join(root, 'examples', 'photos', 'astronaut.jpg')),
    { attention: true },
  );
  expect(text).toMatch(/\b(person|man|woman|boy|girl|child)\b/);
  expect(logProbs.every((logProb) => logProb <= 0)).toBe(true);
  expect(attention!.every((weights) => weights.length === grid![0] * grid![1])).toBe(true);
});
