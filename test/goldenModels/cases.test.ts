import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { goldenRoots } from '../goldenCase';

/** The cases that tests compare, each by the file that does it. */
const KNOWN: Record<string, string> = {
  attention_lstm_deep: 'decoders/attentionLSTM',
  attention_lstm_relu: 'decoders/attentionLSTM',
  attention_lstm_tanh: 'decoders/attentionLSTM',
  beam_table: 'decoders/search/beamTable',
  bert_mlm: 'goldenModels/bertMLM',
  blip2_opt: 'goldenModels/blip2',
  blip_caption: 'goldenModels/blip',
  blip_itm: 'goldenModels/blip',
  checkpoint_formats: 'goldenModels/checkpointFormats',
  keras_h5: 'goldenModels/kerasH5',
  preprocess: 'goldenModels/preprocess',
  tokenizer_bert: 'goldenModels/tokenizers',
  tokenizer_blip: 'goldenModels/tokenizers',
  tokenizer_clip: 'goldenModels/tokenizers',
  tokenizer_gpt2: 'goldenModels/tokenizers',
  clip: 'goldenModels/clip',
  git: 'goldenModels/git',
  logits_processors: 'goldenModels/logitsProcessors',
  lxmert: 'goldenModels/lxmert',
  resnet_hf_basic: 'goldenModels/resnet',
  resnet_hf_bottleneck: 'goldenModels/resnet',
  resnet_timm_d: 'goldenModels/resnet',
  resnet_tv_basic: 'goldenModels/resnet',
  resnet_tv_bottleneck: 'goldenModels/resnet',
  siglip: 'goldenModels/siglip',
  ved_vit_bert: 'goldenModels/visionEncoderDecoder',
  ved_vit_gpt2: 'goldenModels/visionEncoderDecoder',
  vilbert: 'goldenModels/vilbert',
  vilbert_vl_tasks: 'goldenModels/vilbertTasks',
  visual_bert: 'goldenModels/visualBert',
  vit: 'goldenModels/vit',
  vit_cls: 'goldenModels/vit',
};

test.each(goldenRoots())('every case in %s is known', (root) => {
  const cases = readdirSync(root).filter((name) => existsSync(join(root, name, 'golden.json')));
  expect(cases.filter((name) => !(name in KNOWN))).toEqual([]);
});

test('every known case has its test', () => {
  const missing = Object.values(KNOWN).filter(
    (file) => !existsSync(join(import.meta.dirname, '..', `${file}.test.ts`)),
  );
  expect(missing).toEqual([]);
});
