import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PretrainedTokenizer } from '../../src/data/pretrainedTokenizer';
import { prompted } from '../../src/decoders/prompted';
import { visionNorm, visionTower } from '../../src/encoders/visionTower';
import { Blip, BlipMatching } from '../../src/models/blip';
import { readBlipConfig } from '../../src/models/blipConfig';
import { directory } from '../../src/node';
import { linearCrossEntropy } from '../../src/training/losses';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectClose, expectNoLeak } from '../helpers';
import { compareStepLogits, expectGenerated } from './generated';
import { paddingOf } from './inputs';
import { expectSavedWhole } from './saved';

await tf.setBackend('cpu');

const pixelsOf = (golden: GoldenCase) => tf.transpose(golden.tensor('in.pixel_values'), [0, 2, 3, 1]) as tf.Tensor4D;

describe.each(goldenFolders('blip_caption').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  let model: Blip;
  beforeAll(async () => {
    model = await Blip.load(readBlipConfig(golden.config), golden.source);
  });
  afterAll(() => model.dispose());

  test('features, logits and loss', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const { encoder, decoder, config } = model;
        const states = visionTower(encoder.params, config.vision, pixelsOf(golden));
        for (const [layer, x] of states.entries())
          golden.compare(`out.vision.hidden_states.${layer}`, tf.slice(x, 0, 1));
        const features = encoder.encode(pixelsOf(golden));
        golden.compare('out.image_embeds', features);
        const first = tf.squeeze(tf.slice(features, [0, 0, 0], [-1, 1, -1]), [1]);
        golden.compare('out.vision.pooler_output', visionNorm(encoder.params, config.vision, first));

        const memory = decoder.remember(features);
        const ids = golden.tensor('in.input_ids') as tf.Tensor2D;
        const [rows, time] = ids.shape;
        const read = decoder.read(ids, decoder.initialState(), memory, { keyPaddingMask: paddingOf(golden) });
        const hidden = tf.reshape<tf.Rank.R2>(read.hiddenStates.at(-1)!, [rows * time, -1]);
        golden.compare('out.logits', tf.reshape(decoder.logits(hidden), [rows, time, -1]));

        // Each place is to say the label of the next.
        const labels = golden.tensor('in.labels').arraySync() as number[][];
        const wanted = labels.flatMap((row, r) =>
          row.flatMap((label, t) => (t > 0 && label !== -100 ? [{ place: r * time + t - 1, label }] : [])),
        );
        const places = tf.tensor1d(
          wanted.map(({ place }) => place),
          'int32',
        );
        const targets = tf.tensor1d(
          wanted.map(({ label }) => label),
          'int32',
        );
        const { last } = decoder.teacherForced(ids, memory, { wanted: places });
        golden.compare('out.loss', tf.reshape(linearCrossEntropy(last!, targets, config.labelSmoothing), [1]));
      }),
    ));

  test('generate, with and without a prompt', async () => {
    const { encoder, decoder, config } = model;
    const tokenizer = await PretrainedTokenizer.load(directory(golden.folder));
    const { texts, prompt } = { texts: golden.result('texts'), prompt: golden.result('prompt') };
    const { ids: read } = tokenizer.encodeText(prompt);
    const given = golden.tensor('in.prompt_input_ids').arraySync() as number[][];
    for (const row of given) expect(row).toEqual(read);
    const inputs = golden.tensor('in.input_ids').arraySync() as number[][];
    const encoded = tokenizer.encodeBatch(texts, { padding: 'maxLength', maxLength: inputs[0]!.length });
    expect(encoded.map(({ ids }) => ids)).toEqual(inputs);

    const defaults = {
      ...golden.json('generation_config.json'),
      eos_token_id: config.endId,
      pad_token_id: config.padId,
    };
    await expectNoLeak(async () => {
      const memory = tf.tidy(() => decoder.remember(encoder.encode(pixelsOf(golden))));
      const bare = { decoder, memory, prompts: given.map(() => [config.startId]), defaults, tokenizer };
      const unconditional = golden.result('generate_unconditional');
      compareStepLogits(golden, 'out.generate_unconditional.greedy_step_logits', unconditional[0], bare);
      for (const entry of unconditional) await expectGenerated(entry, bare);

      const prompts = given.map((ids) => [config.startId, ...ids.slice(1, -1)]);
      const led = { ...bare, prompts, decoder: prompted(decoder, prompts) };
      const conditional = golden.result('generate_prompt');
      compareStepLogits(golden, 'out.generate_prompt.greedy_step_logits', conditional[0], led);
      for (const entry of conditional) await expectGenerated(entry, led);
      tf.dispose(memory);
    });
  });

  test('prompts of several lengths together give what each gives alone', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const { encoder, decoder, config } = model;
        const memory = decoder.remember(encoder.encode(pixelsOf(golden)));
        const prompts = [[config.startId, 42, 57, 80], [config.startId], [config.startId, 99]];
        const last = (rows: number[][]) =>
          tf.tensor1d(
            rows.map((row) => row.at(-1)!),
            'int32',
          );
        const speak = (rows: number[][], seen: typeof memory) => {
          const led = prompted(decoder, rows);
          const first = led.step(last(rows), led.initialState(seen), seen);
          return led.step(tf.argMax(first.logits, 1) as tf.Tensor1D, first.state, seen).logits;
        };
        const together = speak(prompts, memory);
        for (const [picture, prompt] of prompts.entries()) {
          const one = {
            layers: memory.layers.map(({ keys, values }) => ({
              keys: tf.slice(keys, picture, 1),
              values: tf.slice(values, picture, 1),
            })),
          };
          expectClose(tf.slice(together, picture, 1), speak([prompt], one), 1e-4);
        }
      }),
    ));

  test('what it saves is what was loaded', () => expectSavedWhole(model.stateDict(), golden));

  test('an older file, which holds a tied table twice, is loaded too', () =>
    expectNoLeak(async () => {
      const { source } = golden;
      const words = 'text_decoder.bert.embeddings.word_embeddings.weight';
      const again = 'text_decoder.cls.predictions.decoder.weight';
      const tensors = new Map([...source.tensors, [again, source.tensors.get(words)!] as const]);
      const read = (name: string) => source.read(model.config.text.tied && name === again ? words : name);
      const older = await Blip.load(readBlipConfig(golden.config), { ...source, tensors, read });
      older.dispose();
    }));

  test('every output was compared', () => golden.expectAllCompared());
});

describe.each(goldenFolders('blip_itm').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  test('how well texts fit pictures', () =>
    expectNoLeak(async () => {
      const model = await BlipMatching.load(readBlipConfig(golden.config), golden.source);
      tf.tidy(() => {
        const features = model.encoder.encode(pixelsOf(golden));
        const ids = golden.tensor('in.input_ids') as tf.Tensor2D;
        const seen = model.read(ids, paddingOf(golden), features);
        golden.compare('out.question_embeds', seen);
        golden.compare('out.itm_score', model.matchLogits(seen));
        const unseen = model.read(ids, paddingOf(golden));
        golden.compare('out.text_last_hidden_state_no_image', unseen);
        const [texts, pictures] = [model.textVectors(unseen), model.pictureVectors(features)];
        golden.compare('out.text_feat', texts);
        golden.compare('out.image_feat', pictures);
        golden.compare('out.itc_cosine', tf.matMul(pictures, texts, false, true));
      });
      await expectSavedWhole(model.stateDict(), golden);
      model.dispose();
    }));

  test('every output was compared', () => golden.expectAllCompared());
});
