import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Vilbert } from '../../src/models/vilbert';
import { readVilbertConfig } from '../../src/models/vilbertConfig';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectNoLeak } from '../helpers';
import { expectSavedWhole } from './saved';
import { isRepeated, readCase } from './vilbertInputs';

await tf.setBackend('cpu');

const folders = goldenFolders('vilbert_vl_tasks');

// test/models/vilbert.test.ts runs everywhere.
if (folders.length === 0) test.skip('the case, which may not be committed, is not here');

describe.each(folders.map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  let model: Vilbert;
  beforeAll(async () => {
    model = await Vilbert.load(readVilbertConfig(golden.config), golden.source);
  });
  afterAll(() => model.dispose());

  test('logits of all tasks', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const read = readCase(model, golden);
        const logits = model.tasks(read);
        golden.compare('out.vil_prediction', logits.answers);
        golden.compare('out.vil_logit', logits.retrieval);
        golden.compare('out.vil_binary_prediction', logits.pairs ?? model.match(read.pooled));
        if (logits.gqa) golden.compare('out.vil_prediction_gqa', logits.gqa);
        if (logits.entailment) golden.compare('out.vil_tri_prediction', logits.entailment);
        golden.compare('out.vision_logit', logits.regionScores);
        golden.compare('out.linguisic_logit', logits.wordScores);
      }),
    ));

  test('the heads go back under the names of the file', () => {
    const names = tf.tidy(() => [...model.stateDict()].map(([name]) => name));
    expect(names).toEqual(expect.arrayContaining(golden.result('state_keys_head')));
  });

  test('what it saves is what was loaded', () => expectSavedWhole(model.stateDict(), golden, isRepeated));

  test('every output was compared', () => golden.expectAllCompared());
});
