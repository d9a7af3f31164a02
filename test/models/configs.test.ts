import { expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { readResNetConfig } from '../../src/encoders/resnetConfig';
import { readBlip2Config } from '../../src/models/blip2';
import { readClipConfig } from '../../src/models/clip';
import { readGitConfig } from '../../src/models/git';
import { readSiglipConfig } from '../../src/models/siglip';

/** Settings that are not supported, and what the message names. */
const refused: [name: string, read: () => unknown, named: RegExp][] = [
  ['an activation', () => readClipConfig({ text_config: { hidden_act: 'softsign' } }), /hidden_act is "softsign"/],
  ['an activation of a tower', () => readSiglipConfig({ vision_config: { hidden_act: 'celu' } }), /"celu"/],
  ['pictures of one channel', () => readGitConfig({ vision_config: { num_channels: 1 } }), /num_channels/],
  ['relative positions', () => readGitConfig({ position_embedding_type: 'relative_key' }), /position_embedding_type/],
  ['another language model', () => readBlip2Config({ text_config: { model_type: 't5' } }), /model_type/],
  ['text for the Q-Former', () => readBlip2Config({ qformer_config: { use_qformer_text_input: true } }), /use_qformer/],
  [
    'an embedding of its own size',
    () => readBlip2Config({ text_config: { hidden_size: 32, word_embed_proj_dim: 16 } }),
    /word_embed_proj_dim is 16 but hidden_size 32/,
  ],
  ['several end tokens of CLIP', () => readClipConfig({ text_config: { eos_token_id: [1, 2] } }), /eos_token_id/],
  ['a kind of layer', () => readResNetConfig({ model_type: 'resnet', layer_type: 'other' }), /layer_type/],
  ['a stem', () => readResNetConfig({ arch: 'timm_resnet', block: 'basic', layers: [1], stem_type: 'x' }), /stem_type/],
];

test.each(refused)('%s that is not supported is refused by name', (_, read, named) => {
  expect(read).toThrow(DataError);
  expect(read).toThrow(named);
});

test('what a configuration leaves out is what transformers takes for it', () => {
  expect(readClipConfig({}).vision).toMatchObject({ size: 768, patchSize: [32, 32], activation: 'quick_gelu' });
  expect(readSiglipConfig({}).text).toMatchObject({ size: 768, maxLength: 64, causal: false });
  expect(readGitConfig({})).toMatchObject({ numLayers: 6, maxPositions: 1024, tied: false, frames: 0 });
  expect(readBlip2Config({})).toMatchObject({ qformer: { queries: 32, lookEvery: 2 }, text: { tied: true } });
  expect(readResNetConfig({ model_type: 'resnet' })).toMatchObject({ depths: [3, 4, 6, 3], strides: [1, 2, 2, 2] });
});
