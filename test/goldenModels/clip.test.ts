import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PretrainedTokenizer } from '../../src/data/pretrainedTokenizer';
import { Clip, clipLoss, readClipConfig, unitLength } from '../../src/models/clip';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectNoLeak } from '../helpers';
import { filesOf, variantFolders } from './files';

await tf.setBackend('cpu');

const folders = [...goldenFolders('clip'), ...variantFolders('clip')];

describe.each(folders.map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  let clip: Clip;
  beforeAll(async () => {
    clip = await Clip.load(readClipConfig(golden.config), golden.source);
  });
  afterAll(() => clip.dispose());

  test('outputs', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const seen = clip.see(tf.transpose(golden.tensor('in.pixel_values'), [0, 2, 3, 1]) as tf.Tensor4D);
        const padding = tf.sub<tf.Tensor2D>(1, golden.tensor('in.attention_mask'));
        const read = clip.read(golden.tensor('in.input_ids') as tf.Tensor2D, padding);
        for (const [tower, { hiddenStates, features, pooled }] of Object.entries({ vision: seen, text: read })) {
          golden.compare(`out.${tower}.last_hidden_state`, features);
          golden.compare(`out.${tower}.pooler_output`, pooled);
          for (const [layer, state] of hiddenStates.entries())
            golden.compare(`out.${tower}.hidden_states.${layer}`, state);
        }
        const [pictures, texts] = [clip.projectSeen(seen), clip.projectRead(read)];
        golden.compare('out.get_image_features', pictures);
        golden.compare('out.get_text_features', texts);
        golden.compare('out.image_embeds', unitLength(pictures));
        golden.compare('out.text_embeds', unitLength(texts));
        const logits = clip.logits(texts, pictures);
        golden.compare('out.logits_per_text', logits);
        golden.compare('out.logits_per_image', tf.transpose(logits));
        const pairs = tf.slice(logits, [0, 0], [2, 2]);
        golden.compare('out.contrastive_loss_first2', tf.reshape(clipLoss(pairs), [1]));
      }),
    ));

  test('the parameters go back under the names of the file', () =>
    tf.tidy(() => {
      const saved = new Map(clip.stateDict());
      expect([...saved.keys()].sort()).toEqual([...golden.weights.keys()].sort());
      for (const [name, { shape }] of golden.weights) expect(saved.get(name)!.shape, name).toEqual(shape);
    }));

  test('the texts become the tokens of the case', async () => {
    const tokenizer = await PretrainedTokenizer.load(filesOf(golden.folder));
    const encoded = tokenizer.encodeBatch(golden.result('texts'), { padding: 'maxLength', truncation: true });
    const [ids, mask] = ['in.input_ids', 'in.attention_mask'].map((name) => golden.tensor(name));
    expect(encoded.map((each) => each.ids)).toEqual(ids!.arraySync());
    expect(encoded.map((each) => each.mask)).toEqual(mask!.arraySync());
  });

  test('every output has been compared', () => golden.expectAllCompared());
});
