import { expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { readResNetConfig } from '../../src/encoders/resnetConfig';
import { readBertMLMConfig } from '../../src/models/bertMLM';
import { readBlip2Config } from '../../src/models/blip2';
import { readClipConfig } from '../../src/models/clip';
import { readGitConfig } from '../../src/models/git';
import { readLxmertConfig } from '../../src/models/lxmertConfig';
import { readSiglipConfig } from '../../src/models/siglip';
import { readVilbertConfig } from '../../src/models/vilbertConfig';
import { readVisualBertConfig } from '../../src/models/visualBertConfig';

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
  ['relative positions of BERT', () => readBertMLMConfig({ position_embedding_type: 'relative_key' }), /position_emb/],
  ['BERT that speaks', () => readBertMLMConfig({ is_decoder: true }), /is_decoder/],
  ['BERT that looks', () => readBertMLMConfig({ add_cross_attention: true }), /add_cross_attention/],
  ['heads that do not divide', () => readVisualBertConfig({ hidden_size: 30, num_attention_heads: 4 }), /30 .* 4 att/],
  ['regions past the layers', () => readVisualBertConfig({ bypass_transformer: true }), /bypass_transformer: true is/],
  ['another head of VisualBERT', () => readVisualBertConfig({ architectures: ['VisualBertModel'] }), /architectures/],
  ['LXMERT without a head', () => readLxmertConfig({ architectures: ['LxmertModel'] }), /architectures/],
  ['an activation of LXMERT', () => readLxmertConfig({ hidden_act: 'celu' }), /hidden_act is "celu"/],
  ['an activation of regions', () => readVilbertConfig({ vocab_size: 9, v_hidden_act: 'x' }), /v_hidden_act is "x"/],
  ['gates of words on regions', () => readVilbertConfig({ vocab_size: 9, dynamic_attention: true }), /dynamic_att/],
  ['ViLBERT from RoBERTa', () => readVilbertConfig({ vocab_size: 9, model: 'roberta' }), /model/],
  ['a fusion', () => readVilbertConfig({ vocab_size: 9, fusion_method: 'cat' }), /fusion_method/],
  ['heads of co-attention', () => readVilbertConfig({ vocab_size: 9, bi_num_attention_heads: 7 }), /1024 .* 7 att/],
  ['connections in one stream', () => readVilbertConfig({ vocab_size: 9, v_biattention_id: [1] }), /2 entries .* 1,/],
  ['connections that fall', () => readVilbertConfig({ vocab_size: 9, t_biattention_id: [4, 2] }), /t_biatt.*\[4, 2\]/],
  ['connections past the end', () => readVilbertConfig({ vocab_size: 9, v_biattention_id: [1, 7] }), /to 3 layers/],
  ['connections of fixed layers', () => readVilbertConfig({ vocab_size: 9, fixed_v_layer: 1 }), /fixed_v_layer 1/],
  ['two ways to meet', () => readVilbertConfig({ vocab_size: 9, fast_mode: true, in_batch_pairs: true }), /fast_mode/],
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
  expect(readBertMLMConfig({})).toMatchObject({ padId: 0, tied: true, tokenTypes: 2 });
  expect(readBertMLMConfig({ pad_token_id: null }).padId).toBeUndefined();
  expect(readVisualBertConfig({})).toMatchObject({ padId: 1, featureSize: 512, maxPositions: 512 });
  expect(readLxmertConfig({})).toMatchObject({ layers: { words: 9, regions: 5, both: 5 }, answers: 9500 });
  expect(readLxmertConfig({ task_qa: false, task_obj_predict: false })).toMatchObject({
    answers: undefined,
    guesses: undefined,
  });
  expect(readVilbertConfig({ vocab_size: 9 })).toMatchObject({
    connections: [
      { words: 10, regions: 0 },
      { words: 11, regions: 1 },
    ],
    regions: { numLayers: 3, targetSize: 1601 },
    tasks: undefined,
  });
  expect(readResNetConfig({ model_type: 'resnet' })).toMatchObject({ depths: [3, 4, 6, 3], strides: [1, 2, 2, 2] });
});
