import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { Blip2, readBlip2Config } from '../../src/models/blip2';
import { Git, readGitConfig } from '../../src/models/git';
import type { PrefixDecoder } from '../../src/models/prefixDecoder';
import { gradients } from '../../src/training/gradients';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const vision_config = {
  hidden_size: 12,
  intermediate_size: 20,
  num_hidden_layers: 1,
  num_attention_heads: 3,
  image_size: 8,
  patch_size: 4,
};
const sizes = {
  vocab_size: 30,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  max_position_embeddings: 12,
};

/** Each with weights large enough for words to matter. */
const models = {
  git: () => new Git(readGitConfig({ ...sizes, vision_config, intermediate_size: 24 }), new Random(3)),
  blip2: () =>
    new Blip2(
      readBlip2Config({
        vision_config,
        num_query_tokens: 3,
        qformer_config: { ...sizes, hidden_size: 8, intermediate_size: 12, encoder_hidden_size: 12 },
        text_config: { ...sizes, ffn_dim: 24 },
      }),
      new Random(3),
    ),
};

describe.each(Object.entries(models))('%s', (_, make) => {
  const model = make();
  for (const variable of parametersOf(model.params).values())
    if (variable.rank > 1) tf.tidy(() => variable.assign(tf.mul(variable, 8)));
  const pixels = tf.randomUniform<tf.Rank.R4>([2, 8, 8, 3], -1, 1, 'float32', 4);
  const { decoder } = model;
  const tokens = [
    [1, 7, 9, 4],
    [1, 12, 3, 8],
    [1, 5, 5, 6],
    [1, 2, 20, 21],
  ];

  test('steps, two rows for each picture, give what reading the whole caption gives', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const memory = decoder.remember(model.encoder.encode(pixels));
        const whole = decoder.teacherForced(tf.tensor2d(tokens, undefined, 'int32'), memory).logits;
        expectClose(tf.reshape(stepwise(decoder, memory, tokens), whole.shape), whole, 1e-4, 1e-4);
      }),
    ));

  test('a prompt is read as if it had been said, whatever the length of the others', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const memory = decoder.remember(model.encoder.encode(pixels));
        const led = decoder.continueFrom(memory, [[1, 7, 9], [1]]);
        const after = decoder.step(tf.tensor1d([9, 1], 'int32'), decoder.initialState(), led).logits;
        const said = stepwise(decoder, memory, [
          [1, 7, 9],
          [1, 0, 0],
        ]);
        const [long, short] = [tf.slice(said, [0, 2, 0], [1, 1, -1]), tf.slice(said, [1, 0, 0], [1, 1, -1])];
        expectClose(after, tf.concat([long, short], 0), 1e-4, 1e-4);
      }),
    ));

  test('gradients reach every parameter that captions depend on', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const loss = () => {
          const memory = decoder.remember(model.encoder.encode(pixels));
          const { logits } = decoder.teacherForced(tf.tensor2d(tokens, undefined, 'int32'), memory);
          return tf.mean(tf.square(logits)) as tf.Scalar;
        };
        const { grads } = gradients(loss, parametersOf(model.params));
        const without = [...parametersOf(model.params).keys()].filter((name) => !grads.has(name));
        expect(without).toEqual([]);
        // A captioner's parameters are those of its encoder and of its decoder, each once.
        const parts = [model.encoder, decoder].flatMap(({ params }) => [...parametersOf(params).values()]);
        expect(new Set(parts).size).toBe(parts.length);
        expect(parts.length).toBe(parametersOf(model.params).size);
      }),
    ));

  test('more words than there are places, and prompts that do not fit, are refused', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const memory = decoder.remember(model.encoder.encode(pixels));
        const long = tf.ones<tf.Rank.R2>([2, 13], 'int32');
        expect(() => decoder.read(long, decoder.initialState(), memory)).toThrow(/has places for 12/);
        expect(() => decoder.continueFrom(memory, [[1]])).toThrow(UsageError);
        expect(() => decoder.continueFrom(memory, [[1], []])).toThrow(UsageError);
      }),
    ));

  afterAll(() => {
    model.dispose();
    pixels.dispose();
  });
});

/** logits [rows, time, vocabSize] of tokens read one by one */
function stepwise(
  decoder: PrefixDecoder,
  memory: ReturnType<PrefixDecoder['remember']>,
  tokens: readonly number[][],
): tf.Tensor3D {
  let state = decoder.initialState();
  const logits = tokens[0]!.map((_, time) => {
    const step = decoder.step(
      tf.tensor1d(
        tokens.map((row) => row[time]!),
        'int32',
      ),
      state,
      memory,
    );
    state = step.state;
    return step.logits;
  });
  return tf.stack(logits, 1) as tf.Tensor3D;
}
