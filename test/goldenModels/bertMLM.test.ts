import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { parametersOf } from '../../src/core/parameters';
import { BertMLM, bertMLMSpec, readBertMLMConfig } from '../../src/models/bertMLM';
import { gradients } from '../../src/training/gradients';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectNoLeak } from '../helpers';
import { byKey, compareGradients, expectGradNorms } from './gradNorms';
import { textsOf } from './inputs';
import { asCase, maskedWordLoss } from './labels';
import { expectSavedWhole } from './saved';

await tf.setBackend('cpu');

describe.each(goldenFolders('bert_mlm').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  let model: BertMLM;
  beforeAll(async () => {
    model = await BertMLM.load(readBertMLMConfig(golden.config), golden.source);
  });
  afterAll(() => model.dispose());

  const readTexts = () => model.read(textsOf(golden));

  const lossOf = () => {
    const hidden = readTexts().hiddenStates.at(-1)!;
    return maskedWordLoss((places) => model.guess(hidden, places), golden.tensor('in.labels'));
  };

  test('hidden states, attention, logits and loss', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const { hiddenStates, attentions } = readTexts();
        for (const name of golden.outputs('out.hidden_states.'))
          golden.compare(name, hiddenStates[Number(name.split('.').at(-1))]!);
        for (const name of golden.outputs('out.attentions.'))
          golden.compare(name, tf.slice(attentions[Number(name.split('.').at(-1))]!, 0, golden.tensor(name).shape[0]!));
        const [rows, time] = golden.tensor('in.input_ids').shape;
        golden.compare('out.logits', tf.reshape(model.guess(hiddenStates.at(-1)!).logits, [rows!, time!, -1]));
        golden.compare('out.loss', asCase(lossOf()));
      }),
    ));

  test('gradients of all parameters', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const found = byKey(bertMLMSpec(model.config), gradients(lossOf, parametersOf(model.params)).grads);
        compareGradients(golden, found);
        expectGradNorms(found, golden.result('grad_norms'));
      }),
    ));

  test('what it saves is what was loaded', () => expectSavedWhole(model.stateDict(), golden));

  test('every output was compared', () => golden.expectAllCompared());
});
