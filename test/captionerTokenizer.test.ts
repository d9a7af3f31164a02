import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { AttentionLSTMCaptioner } from '../src/attentionLSTMCaptioner';
import { trainBPE } from '../src/data/bpe';
import { PretrainedTokenizer } from '../src/data/pretrainedTokenizer';
import { createEncoder } from '../src/encoders/create';
import { memoryStore } from '../src/io/stores';
import { train } from '../src/training/train';
import { expectNoLeak } from './helpers';
import { tinyData, tinyPicture } from './training/tiny';

await tf.setBackend('cpu');

test('a captioner that speaks in pieces of words is trained, saved with tokenizer.json, and says the same when loaded', () =>
  expectNoLeak(async () => {
    const tokenizer = await trainBPE(tinyData.captions(), { vocabSize: 300 });
    const encoder = createEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] });
    const sizes = { embeddingSize: 4, hiddenSize: 7, attentionSize: 6 };
    const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer, ...sizes, seed: 1 });
    const losses: number[] = [];
    for await (const { crossEntropy } of train(captioner, tinyData, { epochs: 6, batchSize: 5 }))
      losses.push(crossEntropy);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
    const store = memoryStore();
    await captioner.save(store);
    expect(await store.list()).toEqual([
      'README.md',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const loaded = await AttentionLSTMCaptioner.load(store);
    expect(loaded.tokenizer).toBeInstanceOf(PretrainedTokenizer);
    const options = { maxLength: 8 };
    const [said, again] = [
      await captioner.caption(tinyPicture(3), options),
      await loaded.caption(tinyPicture(3), options),
    ];
    expect(again).toEqual(said);
    for (const each of [captioner, encoder, loaded]) each.dispose();
  }));
