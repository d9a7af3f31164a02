import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unitLength } from '../../src/models/clip';
import { readSiglipConfig, Siglip, siglipLoss } from '../../src/models/siglip';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

describe.each(goldenFolders('siglip').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  let siglip: Siglip;
  beforeAll(async () => {
    siglip = await Siglip.load(readSiglipConfig(golden.config), golden.source);
  });
  afterAll(() => siglip.dispose());

  test('outputs', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const seen = siglip.see(tf.transpose(golden.tensor('in.pixel_values'), [0, 2, 3, 1]) as tf.Tensor4D);
        const read = siglip.read(golden.tensor('in.input_ids') as tf.Tensor2D);
        golden.compare('out.vision.last_hidden_state', seen.features);
        golden.compare('out.vision.pooler_output', seen.pooled!);
        golden.compare('out.text.last_hidden_state', read.features);
        golden.compare('out.image_embeds', unitLength(seen.pooled!));
        golden.compare('out.text_embeds', unitLength(read.pooled));
        const logits = siglip.logits(read.pooled, seen.pooled!);
        golden.compare('out.logits_per_image', tf.transpose(logits));
        golden.compare('out.loss_2x2', tf.reshape(siglipLoss(tf.slice(logits, [0, 0], [2, 2])), [1]));
      }),
    ));

  test('the parameters go back under the names of the file', () =>
    tf.tidy(() => {
      const saved = new Map(siglip.stateDict());
      expect([...saved.keys()].sort()).toEqual([...golden.weights.keys()].sort());
      for (const [name, { shape }] of golden.weights) expect(saved.get(name)!.shape, name).toEqual(shape);
    }));

  test('every output has been compared', () => golden.expectAllCompared());
});
