import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { parametersOf } from '../../src/core/parameters';
import { Vilbert } from '../../src/models/vilbert';
import { readVilbertConfig } from '../../src/models/vilbertConfig';
import { vilbertSpec } from '../../src/models/vilbertSpec';
import { gradients } from '../../src/training/gradients';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectNoLeak } from '../helpers';
import { byKey, compareGradients, expectGradNorms } from './gradNorms';
import { asCase, classLoss, maskedWordLoss } from './labels';
import { expectSavedWhole } from './saved';
import { isRepeated, readCase } from './vilbertInputs';

await tf.setBackend('cpu');

const folders = goldenFolders('vilbert').filter((folder) => folder.endsWith('/vilbert'));

// test/models/vilbert.test.ts runs everywhere.
if (folders.length === 0) test.skip('the case, which may not be committed, is not here');

describe.each(folders.map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  let model: Vilbert;
  beforeAll(async () => {
    model = await Vilbert.load(readVilbertConfig(golden.config), golden.source);
  });
  afterAll(() => model.dispose());

  function losses() {
    const { words, regions, pooled } = readCase(model, golden);
    const masked = tf.cast<tf.Tensor2D>(tf.equal(golden.tensor('in.image_label'), 1), 'float32');
    const targets = golden.tensor('in.image_target') as tf.Tensor3D;
    return {
      words: maskedWordLoss((places) => model.guess(words, places), golden.tensor('in.masked_lm_labels'), -1),
      regions: model.regionLoss(model.guessRegions(regions), targets, masked),
      match: classLoss(model.match(pooled), golden.tensor('in.next_sentence_label'), -1),
    };
  }

  test('both streams, logits and losses', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const read = readCase(model, golden);
        golden.compare('out.sequence_output_t', read.words);
        golden.compare('out.sequence_output_v', read.regions);
        golden.compare('out.pooled_output_t', read.pooledWords);
        golden.compare('out.pooled_output_v', read.pooledRegions);
        for (const [index, { wordsToRegions, regionsToWords }] of read.coAttention.entries()) {
          golden.compare(`out.co_attention.${index}.text_to_image`, wordsToRegions);
          golden.compare(`out.co_attention.${index}.image_to_text`, regionsToWords);
        }
        const [rows, time] = read.words.shape;
        golden.compare('out.prediction_scores_t', tf.reshape(model.guess(read.words).logits, [rows, time, -1]));
        golden.compare('out.prediction_scores_v', model.guessRegions(read.regions));
        golden.compare('out.seq_relationship_score', model.match(read.pooled));
        const { words, regions, match } = losses();
        golden.compare('out.loss.masked_lm', asCase(words));
        golden.compare('out.loss.masked_img', asCase(regions));
        golden.compare('out.loss.alignment', asCase(match));
      }),
    ));

  test('gradients of all parameters', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const total = () => tf.addN(Object.values(losses())) as tf.Scalar;
        const found = byKey(vilbertSpec(model.config), gradients(total, parametersOf(model.params)).grads);
        compareGradients(golden, found);
        expectGradNorms(found, golden.result('grad_norms'));
      }),
    ));

  test('what it saves is what was loaded', () => expectSavedWhole(model.stateDict(), golden, isRepeated));

  test('every output was compared', () => golden.expectAllCompared());
});
