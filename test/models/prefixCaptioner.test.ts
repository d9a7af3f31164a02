import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import { embed } from '../../src/core/embedding';
import { UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { createParams } from '../../src/core/spec';
import { datasetOf } from '../../src/data/dataset';
import { gpt2Parts, gpt2Spec, readGPT2Config } from '../../src/decoders/gpt2';
import { TransformerDecoder } from '../../src/decoders/transformer';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { memoryStore } from '../../src/io/stores';
import { Clip, readClipConfig } from '../../src/models/clip';
import { ClipPictureEncoder } from '../../src/models/clipPictureEncoder';
import { PrefixCaptioner, type PrefixCaptionerOptions } from '../../src/models/prefixCaptioner';
import { PrefixDecoder } from '../../src/models/prefixDecoder';
import { trainOnly } from '../../src/training/freeze';
import { adamW } from '../../src/training/optimizers';
import { train } from '../../src/training/train';
import { expectClose, expectNoLeak } from '../helpers';
import { tinyPicture, tinyRecords, tinyTokenizer } from '../training/tiny';

await tf.setBackend('cpu');
askedForCpu();

const config = readGPT2Config({
  vocab_size: tinyTokenizer.vocabSize,
  n_embd: 12,
  n_layer: 2,
  n_head: 3,
  n_positions: 16,
});
const conv = () => new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));
const tiny = (options: Partial<PrefixCaptionerOptions> & Pick<PrefixCaptionerOptions, 'encoder'>) =>
  PrefixCaptioner.create({
    tokenizer: tinyTokenizer,
    language: { config },
    prefixLength: 3,
    dropout: 0,
    generation: { beamSize: 2, maxLength: 8 },
    ...options,
  });

const transformer = { type: 'transformer', numLayers: 1, numHeads: 2, tokens: 2 } as const;
const pictures = [0, 1, 2].map(tinyPicture);

test('GPT-2 reads a prefix as it reads words', () =>
  expectNoLeak(() =>
    tf.tidy(() => {
      const params = createParams(gpt2Spec(config), new Random(3));
      const parts = gpt2Parts(params, config);
      const plain = new TransformerDecoder(parts);
      // A mapper whose tokens are the embeddings of words.
      const prefix = (features: tf.Tensor3D) => tf.add<tf.Tensor3D>(features, tf.slice(params.places, [0, 0], [3, 12]));
      const led = new PrefixDecoder({ ...parts, prefix, causalPrefix: true, prefixHasPlaces: true });
      const [before, words] = [
        tf.tensor2d([[4, 5, 6]], undefined, 'int32'),
        tf.tensor2d([[1, 7, 8]], undefined, 'int32'),
      ];
      const features = embed(params.words, before);
      const expected = plain.teacherForced(tf.concat([before, words], 1), { layers: [] }).logits;
      const found = led.teacherForced(words, led.remember(features)).logits;
      expectClose(found, tf.slice(expected, [3, 0], [3, -1]), 1e-5);
      plain.dispose();
    }),
  ));

describe('learns a few pictures by heart', () => {
  const known = datasetOf(
    tinyRecords.map((record) => ({ ...record, captions: record.captions.slice(0, 1) })),
    async ({ id }) => tinyPicture(Number.parseInt(id, 10)),
  );
  test.each([
    ['by two layers', { type: 'mlp' } as const],
    ['by a transformer', transformer],
  ])('%s', (_, mapping) =>
    expectNoLeak(async () => {
      const encoder = conv();
      const captioner = tiny({ encoder, mapping });
      const optimizer = adamW(0.02);
      const settings = { optimizer, epochs: 60, batchSize: 5, captionsPerImage: 1 };
      let loss = Infinity;
      for await (const { crossEntropy } of train(captioner, known, settings)) loss = crossEntropy;
      expect(loss).toBeLessThan(0.2);
      const captions = await captioner.caption(tinyRecords.map((_, i) => tinyPicture(i)));
      expect(captions.map(({ text }) => text)).toEqual(tinyRecords.map(({ captions }) => captions[0]));
      optimizer.dispose();
      captioner.dispose();
      encoder.dispose();
    }),
  );

  test('the mapper alone is trained, where the language model is frozen', () =>
    expectNoLeak(async () => {
      const encoder = conv();
      const captioner = tiny({ encoder, mapping: transformer });
      const { names: frozen } = trainOnly(captioner.parameters(), /^decoder\.mapper\./);
      const values = () => new Map([...captioner.parameters()].map(([name, value]) => [name, [...value.dataSync()]]));
      const before = values();
      const optimizer = adamW(0.01);
      for await (const { step } of train(captioner, known, { optimizer, epochs: 1, batchSize: 2 }))
        if (step === 2) break;
      for (const [name, after] of values())
        if (frozen.includes(name)) expect(after, name).toEqual(before.get(name));
        else expect(after, name).not.toEqual(before.get(name));
      optimizer.dispose();
      captioner.dispose();
      encoder.dispose();
    }));
});

test("CLIP's vector of a picture is a grid of one position", () =>
  expectNoLeak(() => {
    const part = { hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 };
    const json = {
      projection_dim: 6,
      vision_config: { ...part, image_size: 8, patch_size: 4 },
      text_config: { ...part, vocab_size: 9 },
    };
    const clip = new Clip(readClipConfig(json), new Random(2));
    const encoder = new ClipPictureEncoder(clip);
    tf.tidy(() => {
      const pixels = tf.reshape(tf.linspace(-1, 1, 2 * 8 * 8 * 3), [2, 8, 8, 3]) as tf.Tensor4D;
      const features = encoder.encode(pixels);
      expect(features.shape).toEqual([2, 1, encoder.featureSize]);
      expectClose(features, clip.projectSeen(clip.see(pixels)), 0);
    });
    clip.dispose();
  }));

test.each([{ type: 'mlp' } as const, transformer])('save and load give the same captioner: $type', (mapping) =>
  expectNoLeak(async () => {
    const encoder = conv();
    const captioner = tiny({ encoder, mapping, seed: 5 });
    const store = memoryStore();
    await captioner.save(store);
    const loaded = await PrefixCaptioner.load(store, { encoder, tokenizer: tinyTokenizer });
    expect(await loaded.caption(pictures)).toEqual(await captioner.caption(pictures));
    captioner.dispose();
    loaded.dispose();
    encoder.dispose();
  }),
);

test.each([
  [{ prefixLength: 0 }, 'prefixLength is 0'],
  [{ prefixLength: 16 }, 'has places for 16'],
  [{ mapping: { ...transformer, numHeads: 5 } }, 'should divide'],
  [{ dropout: 1 }, 'dropout is 1'],
])('%j is wrong use', (options, message) =>
  expectNoLeak(() => {
    const encoder = conv();
    expect(() => tiny({ encoder, ...options })).toThrow(UsageError);
    expect(() => tiny({ encoder, ...options })).toThrow(message);
    encoder.dispose();
  }),
);
