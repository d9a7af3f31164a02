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
  checkpoint_formats: 'io/safetensors',
};

/** Left to later work. */
const NOT_YET_BUILT = [
  'bert_mlm',
  'blip2_opt',
  'blip_caption',
  'blip_itm',
  'clip',
  'git',
  'keras_h5',
  'logits_processors',
  'lxmert',
  'preprocess',
  'resnet_hf_basic',
  'resnet_hf_bottleneck',
  'resnet_timm_d',
  'resnet_tv_basic',
  'resnet_tv_bottleneck',
  'siglip',
  'tokenizer_bert',
  'tokenizer_blip',
  'tokenizer_clip',
  'tokenizer_gpt2',
  'ved_vit_bert',
  'ved_vit_gpt2',
  'vilbert',
  'vilbert_vl_tasks',
  'visual_bert',
  'vit',
  'vit_cls',
];

test.each(goldenRoots())('every case in %s is known', (root) => {
  const cases = readdirSync(root).filter((name) => existsSync(join(root, name, 'golden.json')));
  expect(cases.filter((name) => !(name in KNOWN) && !NOT_YET_BUILT.includes(name))).toEqual([]);
});

test('every known case has its test', () => {
  const missing = Object.values(KNOWN).filter(
    (file) => !existsSync(join(import.meta.dirname, '..', `${file}.test.ts`)),
  );
  expect(missing).toEqual([]);
});
