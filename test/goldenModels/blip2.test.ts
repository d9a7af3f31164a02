import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { disposeTree } from '../../src/core/tree';
import { PretrainedTokenizer } from '../../src/data/pretrainedTokenizer';
import { Blip2, readBlip2Config } from '../../src/models/blip2';
import type { PrefixMemory } from '../../src/models/prefixDecoder';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectNoLeak } from '../helpers';
import { filesOf, variantFolders } from './files';
import { compareStepLogits, expectGenerated } from './generated';
import { nextWordLoss } from './nextWordLoss';

await tf.setBackend('cpu');

const folders = [...goldenFolders('blip2'), ...variantFolders('blip2')];

describe.each(folders.map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  let blip2: Blip2;
  let memory: PrefixMemory;
  let tokenizer: PretrainedTokenizer;
  beforeAll(async () => {
    blip2 = await Blip2.load(readBlip2Config(golden.config), golden.source);
    memory = tf.tidy(() => blip2.decoder.remember(blip2.encoder.see(pixelsOf(golden))));
    tokenizer = await PretrainedTokenizer.load(filesOf(golden.folder));
  });
  afterAll(() => {
    blip2.dispose();
    disposeTree(memory);
  });

  test('outputs', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const { decoder, config } = blip2;
        const features = blip2.encoder.see(pixelsOf(golden));
        golden.compare('out.vision.last_hidden_state', features);
        const found = blip2.ask(features);
        golden.compare('out.qformer.last_hidden_state', found);
        golden.compare('out.language_projection', blip2.project(found));

        const { queries } = config.qformer;
        const words = (name: string) => tf.slice(golden.tensor(name) as tf.Tensor2D, [0, queries], [-1, -1]);
        const keyPaddingMask = tf.sub<tf.Tensor2D>(1, words('in.attention_mask'));
        const picture = decoder.readPrefix(features);
        const read = decoder.read(words('in.input_ids'), decoder.initialState(), picture.memory, { keyPaddingMask });
        const last = tf.slice(picture.outputs.hiddenStates.at(-1)!, [0, queries - 1, 0], [-1, 1, -1]);
        const hidden = tf.concat([last, read.hiddenStates.at(-1)!], 1);
        const [rows, time, size] = hidden.shape;
        const logits = tf.reshape(decoder.logits(tf.reshape(hidden, [rows * time, size])), [rows, time, -1]);
        golden.compare('out.logits', logits);
        const labels = tf.slice(golden.tensor('in.labels') as tf.Tensor2D, [0, queries - 1], [-1, -1]);
        golden.compare('out.loss', tf.reshape(nextWordLoss(logits as tf.Tensor3D, labels), [1]));
      }),
    ));

  test('generated captions', { timeout: 60_000 }, async () => {
    const defaults = golden.json('generation_config.json');
    const prompts = Array.from({ length: memory.next.shape[0] }, () => blip2.promptOf([defaults.bos_token_id]));
    const { decoder } = blip2;
    const entries = golden.result('generate');
    compareStepLogits(golden, 'out.generate.greedy_step_logits', entries[0], { decoder, memory, prompts });
    for (const entry of entries)
      await expectNoLeak(() => expectGenerated(entry, { decoder, memory, prompts, defaults, tokenizer }));
  });

  test('the parameters go back under the names of the file', () =>
    tf.tidy(() => {
      const saved = new Map(blip2.stateDict());
      expect([...saved.keys()].sort()).toEqual([...golden.weights.keys()].sort());
      for (const [name, { shape }] of golden.weights) expect(saved.get(name)!.shape, name).toEqual(shape);
    }));

  test('every output has been compared', () => golden.expectAllCompared());
});

const pixelsOf = (golden: GoldenCase) => tf.transpose(golden.tensor('in.pixel_values'), [0, 2, 3, 1]) as tf.Tensor4D;
