import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { ViT, vitLogits, vitPooled } from '../../src/encoders/vit';
import { readViTConfig } from '../../src/encoders/vitConfig';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const folders = goldenFolders('vit').filter((folder) => /\/vit(_cls)?$/.test(folder));

describe.each(folders.map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  const pixelsOf = (name: string) => tf.transpose(golden.tensor(name), [0, 2, 3, 1]) as tf.Tensor4D;
  const load = () => ViT.load(readViTConfig(golden.config), golden.source);

  test('all outputs', () =>
    expectNoLeak(async () => {
      const encoder = await load();
      tf.tidy(() => {
        const { features, hiddenStates, attentions } = encoder.run(pixelsOf('in.pixel_values'));
        if (encoder.config.classes !== undefined) {
          golden.compare('out.logits', vitLogits(encoder.params, features));
          return;
        }
        for (const [layer, states] of hiddenStates.entries()) golden.compare(`out.hidden_states.${layer}`, states);
        for (const [layer, weights] of attentions.entries()) golden.compare(`out.attentions.${layer}`, weights);
        golden.compare('out.last_hidden_state', features);
        golden.compare('out.pooler_output', vitPooled(encoder.params, encoder.config, features));
        const larger = encoder.run(pixelsOf('in.pixel_values_large'));
        golden.compare('out.interpolate_pos_encoding.last_hidden_state', larger.features);
      });
      encoder.dispose();
    }));

  test('as an encoder it gives the class token and the patches', async () => {
    const encoder = await load();
    tf.tidy(() => {
      const features = encoder.encode(pixelsOf('in.pixel_values'));
      const [rows, columns] = encoder.grid;
      expect(features.shape.slice(1)).toEqual([encoder.leading + rows * columns, encoder.featureSize]);
    });
    encoder.dispose();
  });

  test('what it saves is what was loaded', async () => {
    const encoder = await load();
    const saved = [...encoder.stateDict()];
    const { source } = golden;
    const known = saved.filter(([key]) => source.tensors.has(key));
    expect(known.length).toBe(saved.length);
    expect(saved.length).toBe(source.tensors.size);
    for (const [key, value] of saved) {
      expect(value.shape).toEqual(source.tensors.get(key)!.shape);
      expectClose(value, await source.read(key), 0);
      value.dispose();
    }
    encoder.dispose();
  });

  test('every output was compared', () => golden.expectAllCompared());
});

test('without weights it is drawn from the seed, every parameter by its name', () =>
  expectNoLeak(() => {
    const config = readViTConfig({
      hidden_size: 8,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      intermediate_size: 12,
    });
    const [one, other] = [new ViT(config, new Random(1)), new ViT({ ...config, numLayers: 1 }, new Random(1))];
    const drawn = parametersOf(other.params);
    for (const [path, value] of parametersOf(one.params)) if (drawn.has(path)) expectClose(drawn.get(path)!, value, 0);
    one.dispose();
    other.dispose();
  }));
