import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors';
import { parametersOf } from '../../src/core/parameters';
import { Lxmert, type LxmertRead, lxmertSpec } from '../../src/models/lxmert';
import { readLxmertConfig } from '../../src/models/lxmertConfig';
import { type RegionTargets, regionLoss } from '../../src/models/regionLosses';
import { gradients } from '../../src/training/gradients';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectNoLeak } from '../helpers';
import { variantFolders } from './files';
import { byKey, compareGradients, expectGradNorms } from './gradNorms';
import { paddingOf, textsOf } from './inputs';
import { asCase, classLoss, maskedWordLoss } from './labels';
import { expectSavedWhole } from './saved';

await tf.setBackend('cpu');

const readCase = (model: Lxmert, golden: GoldenCase) =>
  model.read(textsOf(golden), {
    features: golden.tensor('in.visual_feats') as tf.Tensor3D,
    boxes: golden.tensor('in.visual_pos') as tf.Tensor3D,
    keyPaddingMask: paddingOf(golden, 'in.visual_attention_mask'),
  });

describe.each(goldenFolders('lxmert').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  let model: Lxmert;
  beforeAll(async () => {
    model = await Lxmert.load(readLxmertConfig(golden.config), golden.source);
  });
  afterAll(() => model.dispose());

  const read = () => readCase(model, golden);

  function losses({ words, pooled }: LxmertRead) {
    const masked = maskedWordLoss(
      (places) => model.guess(words.hiddenStates.at(-1)!, places),
      golden.tensor('in.labels'),
    );
    const match = classLoss(model.match(pooled), golden.tensor('in.matched_label'));
    const counted = model.config.losses;
    const both = [...(counted.words ? [masked] : []), ...(counted.match ? [match] : [])];
    return { masked, match, both: tf.addN(both) as tf.Scalar };
  }

  function regionTargets(): RegionTargets {
    const labelled = (name: string) => ({
      labels: golden.tensor(`in.${name}_label`) as tf.Tensor2D,
      confidence: golden.tensor(`in.${name}_conf`) as tf.Tensor2D,
    });
    return {
      objects: labelled('obj'),
      attributes: labelled('attr'),
      features: {
        values: golden.tensor('in.feat_target') as tf.Tensor3D,
        confidence: golden.tensor('in.feat_conf') as tf.Tensor2D,
      },
    };
  }

  test('outputs and losses', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const all = read();
        const [words, regions] = [all.words.hiddenStates.at(-1)!, all.regions.hiddenStates.at(-1)!];
        golden.compare('out.language_output', words);
        golden.compare('out.vision_output', regions);
        golden.compare('out.pooled_output', all.pooled);
        const [rows, time] = words.shape;
        golden.compare('out.prediction_logits', tf.reshape(model.guess(words).logits, [rows, time, -1]));
        golden.compare('out.cross_relationship_score', model.match(all.pooled));
        // Without answers transformers gives the first number of what is pooled.
        const answers =
          model.config.answers === undefined
            ? tf.reshape(tf.slice(all.pooled, [0, 0], [1, 1]), [1])
            : model.answer(all.pooled);
        golden.compare('out.question_answering_score', answers);
        const { masked, match, both } = losses(all);
        golden.compare('out.loss.mlm', asCase(masked));
        golden.compare('out.loss.match', asCase(match));
        golden.compare('out.loss_mlm_plus_match', asCase(both));
        const seen = model.config.guesses
          ? regionLoss(model.guessRegions(regions), regionTargets(), model.config)
          : tf.scalar(0);
        golden.compare('out.loss_all_tasks', asCase(tf.add(both, seen)));
      }),
    ));

  test('gradients of all parameters', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const { grads } = gradients(() => losses(read()).both, parametersOf(model.params));
        const found = byKey(lxmertSpec(model.config), grads);
        compareGradients(golden, found);
        expectGradNorms(found, golden.result('grad_norms'));
      }),
    ));

  test('what it saves is what was loaded', () => expectSavedWhole(model.stateDict(), golden));

  test('every output was compared', () => golden.expectAllCompared());
});

describe.each(variantFolders('lxmert').map((folder) => new GoldenCase(folder)))('$name', (golden) => {
  test('answers, and no other head', () =>
    expectNoLeak(async () => {
      const model = await Lxmert.load(readLxmertConfig(golden.config), golden.source);
      tf.tidy(() => {
        const { pooled, words, regions } = readCase(model, golden);
        golden.compare('out.answers', model.answer(pooled));
        expect(() => model.match(pooled)).toThrow(UsageError);
        expect(() => model.guess(words.hiddenStates.at(-1)!)).toThrow('not made to guess words');
        expect(() => model.guessRegions(regions.hiddenStates.at(-1)!)).toThrow('not made to guess regions');
      });
      await expectSavedWhole(model.stateDict(), golden);
      model.dispose();
      golden.expectAllCompared();
    }));
});
