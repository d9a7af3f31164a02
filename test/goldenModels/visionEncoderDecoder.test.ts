import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parametersOf } from '../../src/core/parameters';
import { PretrainedTokenizer } from '../../src/data/pretrainedTokenizer';
import { VisionEncoderDecoder, visionEncoderDecoderSpec } from '../../src/models/visionEncoderDecoder';
import { readVisionEncoderDecoderConfig } from '../../src/models/visionEncoderDecoderConfig';
import { directory } from '../../src/node';
import { gradients } from '../../src/training/gradients';
import { linearCrossEntropy } from '../../src/training/losses';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectClose, expectNoLeak } from '../helpers';
import { compareStepLogits, expectGenerated } from './generated';
import { byKey, compareGradients, expectGradNorms } from './gradNorms';

await tf.setBackend('cpu');

describe.each(goldenFolders('ved_').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  const json = golden.config as Record<string, number>;
  let model: VisionEncoderDecoder;
  beforeAll(async () => {
    model = await VisionEncoderDecoder.load(readVisionEncoderDecoderConfig(json), golden.source);
  });
  afterAll(() => model.dispose());

  const pixelsOf = () => tf.transpose(golden.tensor('in.pixel_values'), [0, 2, 3, 1]) as tf.Tensor4D;

  /** What the model reads while it is to say the labels, and the places where it is to say something. */
  function forced() {
    const labels = golden.tensor('in.labels').arraySync() as number[][];
    const shown = (label: number) => (label === -100 ? json.pad_token_id! : label);
    const tokens = labels.map((row) => [json.decoder_start_token_id!, ...row.slice(0, -1).map(shown)]);
    const places = labels.flat().flatMap((label, place) => (label === -100 ? [] : [place]));
    const targets = labels.flat().filter((label) => label !== -100);
    return {
      tokens: tf.tensor2d(tokens, undefined, 'int32'),
      wanted: tf.tensor1d(places, 'int32'),
      targets: tf.tensor1d(targets, 'int32'),
    };
  }

  function lossOf() {
    const { tokens, wanted, targets } = forced();
    const memory = model.decoder.remember(model.encoder.encode(pixelsOf()));
    return linearCrossEntropy(model.decoder.teacherForced(tokens, memory, { wanted }).last!, targets);
  }

  test('features, hidden states, attention, logits and loss', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const features = model.encoder.encode(pixelsOf());
        golden.compare('out.encoder_last_hidden_state', features);
        const { decoder } = model;
        const memory = decoder.remember(features);
        const { tokens } = forced();
        const read = decoder.read(tokens, decoder.initialState(), memory);
        const first = (x: tf.Tensor) => tf.slice(x, 0, 1);
        for (const [layer, x] of read.hiddenStates.entries())
          golden.compare(`out.decoder_hidden_states.${layer}`, first(x));
        for (const [layer, x] of read.crossAttentions.entries())
          golden.compare(`out.cross_attentions.${layer}`, first(x));
        const [rows, time] = tokens.shape;
        const logits = decoder.teacherForced(tokens, memory).logits;
        golden.compare('out.teacher_forced.logits', tf.reshape(logits, [rows, time, -1]));
        golden.compare('out.teacher_forced.loss', tf.reshape(lossOf(), [1]));

        const ids = golden.tensor('in.decoder_input_ids') as tf.Tensor2D;
        const keyPaddingMask = tf.sub<tf.Tensor2D>(1, golden.tensor('in.decoder_attention_mask'));
        const masked = decoder.read(ids, decoder.initialState(), memory, { keyPaddingMask });
        const last = tf.reshape<tf.Rank.R2>(masked.hiddenStates.at(-1)!, [ids.size, -1]);
        golden.compare('out.explicit.logits', tf.reshape(decoder.logits(last), [...ids.shape, -1]));
      }),
    ));

  test('gradients of all parameters', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const found = byKey(
          visionEncoderDecoderSpec(model.config),
          gradients(lossOf, parametersOf(model.params)).grads,
        );
        compareGradients(golden, found);
        expectGradNorms(found, golden.result('grad_norms'));
        // A slip of one version of transformers, kept for reference: it shifts the labels twice.
        expect(golden.result('loss_from_transformers_4_57_6_double_shift_bug')).not.toBeCloseTo(
          lossOf().dataSync()[0]!,
          3,
        );
      }),
    ));

  test('computed again on the way back, gradients are the same', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const { encoder, decoder } = model;
        encoder.recomputes = decoder.recomputes = true;
        const again = gradients(lossOf, parametersOf(model.params)).grads;
        encoder.recomputes = decoder.recomputes = false;
        expectGradNorms(byKey(visionEncoderDecoderSpec(model.config), again), golden.result('grad_norms'));
      }),
    ));

  test('word by word gives what all at once does, several captions per picture too', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const { decoder } = model;
        const memory = decoder.remember(model.encoder.encode(pixelsOf()));
        const { tokens } = forced();
        const twice = tf.reshape(tf.stack([tokens, tf.reverse(tokens, 1)], 1), [-1, tokens.shape[1]]) as tf.Tensor2D;
        const whole = decoder.teacherForced(twice, memory);
        let state = decoder.initialState();
        const steps = (tf.unstack(twice, 1) as tf.Tensor1D[]).map((words) => {
          const step = decoder.step(words, state, memory);
          state = step.state;
          return step;
        });
        const stepLogits = tf.stack(
          steps.map(({ logits }) => logits),
          1,
        );
        expectClose(stepLogits, whole.logits, 1e-4, 1e-4);
        expectClose(
          tf.stack(
            steps.map(({ weights }) => weights!),
            1,
          ),
          whole.weights!,
          1e-5,
        );
      }),
    ));

  test('generate', async () => {
    const tokenizer = await PretrainedTokenizer.load(directory(golden.folder));
    const defaults = golden.json('generation_config.json');
    const start = json.decoder_start_token_id!;
    const generate = golden.result('generate');
    await expectNoLeak(async () => {
      const memory = tf.tidy(() => model.decoder.remember(model.encoder.encode(pixelsOf())));
      const prompts = generate[0].sequences.map(() => [start]);
      const by = { decoder: model.decoder, memory, prompts, defaults, tokenizer };
      compareStepLogits(golden, 'out.generate.greedy_step_logits', generate[0], by);
      for (const entry of generate) await expectGenerated(entry, by);
      const alone = tf.tidy(() =>
        model.decoder.remember(model.encoder.encode(tf.slice(pixelsOf(), 0, 1) as tf.Tensor4D)),
      );
      await expectGenerated(golden.result('generate_batch1'), { ...by, memory: alone, prompts: [[start]] });
      tf.dispose([memory, alone]);
    });
  });

  test('what it saves is what was loaded', async () => {
    const { source } = golden;
    const saved = new Map(model.stateDict());
    // An untied head's bias is saved under two names, since versions of transformers differ in where they look for it.
    const twice = (key: string) => key.endsWith('predictions.decoder.bias') && !source.tensors.has(key);
    expect([...saved.keys()].filter((key) => !twice(key)).sort()).toEqual([...source.tensors.keys()].sort());
    for (const [key, value] of saved) {
      if (!twice(key)) expectClose(value, await source.read(key), 0);
      value.dispose();
    }
  });

  test('every output was compared', () => golden.expectAllCompared());
});
