import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors';
import { parametersOf } from '../../src/core/parameters';
import { VisualBert, visualBertSpec } from '../../src/models/visualBert';
import { readVisualBertConfig } from '../../src/models/visualBertConfig';
import { gradients } from '../../src/training/gradients';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectNoLeak } from '../helpers';
import { variantFolders } from './files';
import { byKey, compareGradients, expectGradNorms } from './gradNorms';
import { paddingOf, textsOf } from './inputs';
import { asCase, classLoss, maskedWordLoss } from './labels';
import { expectSavedWhole } from './saved';

await tf.setBackend('cpu');

const readCase = (model: VisualBert, golden: GoldenCase) =>
  model.read(textsOf(golden), {
    features: golden.tensor('in.visual_embeds') as tf.Tensor3D,
    types: golden.tensor('in.visual_token_type_ids') as tf.Tensor2D,
    keyPaddingMask: paddingOf(golden, 'in.visual_attention_mask'),
    ...(golden.values.has('in.image_text_alignment') && {
      alignment: golden.tensor('in.image_text_alignment') as tf.Tensor3D,
    }),
  });

describe.each(goldenFolders('visual_bert').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  let model: VisualBert;
  beforeAll(async () => {
    model = await VisualBert.load(readVisualBertConfig(golden.config), golden.source);
  });
  afterAll(() => model.dispose());

  const read = () => readCase(model, golden);

  function losses() {
    const { hiddenStates, pooled } = read();
    const words = maskedWordLoss((places) => model.guess(hiddenStates.at(-1)!, places), golden.tensor('in.labels'));
    const match = classLoss(model.match(pooled), golden.tensor('in.sentence_image_labels'));
    return { words, match, both: tf.add<tf.Scalar>(words, match) };
  }

  test('hidden states, logits and losses', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const { hiddenStates, pooled } = read();
        const last = hiddenStates.at(-1)!;
        for (const name of golden.outputs('out.hidden_states.')) {
          const layer = name.split('.').at(-1)!;
          golden.compare(name, layer === 'last' ? last : hiddenStates[Number(layer)]!);
        }
        const [rows, places] = last.shape;
        golden.compare('out.prediction_logits', tf.reshape(model.guess(last).logits, [rows, places, -1]));
        golden.compare('out.seq_relationship_logits', model.match(pooled));
        const { words, match, both } = losses();
        golden.compare('out.loss.mlm', asCase(words));
        golden.compare('out.loss.match', asCase(match));
        golden.compare('out.loss', asCase(both));
      }),
    ));

  test('gradients of all parameters', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const { grads } = gradients(() => losses().both, parametersOf(model.params));
        const found = byKey(visualBertSpec(model.config), grads);
        compareGradients(golden, found);
        expectGradNorms(found, golden.result('grad_norms'));
      }),
    ));

  test('what it saves is what was loaded', () => expectSavedWhole(model.stateDict(), golden));

  test('every output was compared', () => golden.expectAllCompared());
});

describe.each(variantFolders('visual_bert').map((folder) => new GoldenCase(folder)))('$name', (golden) => {
  test('logits of classes, and no other head', () =>
    expectNoLeak(async () => {
      const model = await VisualBert.load(readVisualBertConfig(golden.config), golden.source);
      tf.tidy(() => {
        const read = readCase(model, golden);
        golden.compare('out.logits', model.classify(read, textsOf(golden)));
        expect(() => model.match(read.pooled)).toThrow(UsageError);
        expect(() => model.guess(read.hiddenStates.at(-1)!)).toThrow('no head for pretraining');
      });
      await expectSavedWhole(model.stateDict(), golden);
      model.dispose();
      golden.expectAllCompared();
    }));
});
