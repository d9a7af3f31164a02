import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import type { WeightSource } from '../../src/core/spec';
import { BertMLM, readBertMLMConfig } from '../../src/models/bertMLM';
import type { BoxedRegions } from '../../src/models/textAndRegions';
import { Vilbert, type VilbertTexts } from '../../src/models/vilbert';
import { readVilbertConfig } from '../../src/models/vilbertConfig';
import { gradients } from '../../src/training/gradients';
import { classLoss, maskedWordLoss } from '../goldenModels/labels';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const words = {
  vocab_size: 30,
  hidden_size: 12,
  num_hidden_layers: 3,
  num_attention_heads: 3,
  intermediate_size: 14,
  max_position_embeddings: 9,
  type_vocab_size: 2,
  hidden_act: 'gelu',
};
const config = {
  ...words,
  v_feature_size: 5,
  v_target_size: 6,
  v_hidden_size: 8,
  v_num_hidden_layers: 2,
  v_num_attention_heads: 2,
  v_intermediate_size: 11,
  bi_hidden_size: 20,
  bi_num_attention_heads: 4,
  t_biattention_id: [1, 2],
  v_biattention_id: [0, 1],
};

const draw = (changes: object = {}, seed = 1) => {
  const model = new Vilbert(readVilbertConfig({ ...config, ...changes }), new Random(seed));
  // Drawn as published, attention is all but even: what is wrong with it would not show.
  for (const [name, value] of parametersOf(model.params)) {
    const larger = tf.tidy(() => tf.mul(value, name.endsWith('orm.weight') ? 1 : 12));
    value.assign(larger);
    larger.dispose();
  }
  return model;
};

const numbers = (shape: number[], seed: number) =>
  tf.tensor(new Random(seed).normal(shape.reduce((size, side) => size * side, 1)), shape);

const texts = (): VilbertTexts => ({
  ids: tf.tensor2d([2, 7, 9, 11, 3, 2, 8, 3, 0, 0], [2, 5], 'int32'),
  types: tf.tensor2d([0, 0, 0, 1, 1, 0, 1, 1, 1, 1], [2, 5], 'int32'),
  keyPaddingMask: tf.tensor2d([0, 0, 0, 0, 0, 0, 0, 0, 1, 1], [2, 5]),
});
const regions = (): BoxedRegions => ({
  features: numbers([2, 4, 5], 3) as tf.Tensor3D,
  boxes: numbers([2, 4, 5], 4) as tf.Tensor3D,
  keyPaddingMask: tf.tensor2d([0, 0, 0, 1, 0, 0, 0, 0], [2, 4]),
});

describe('ViLBERT', () => {
  let model: Vilbert;
  beforeAll(() => {
    model = draw();
  });
  afterAll(() => model.dispose());

  function loss(of = model): tf.Scalar {
    const read = of.read(texts(), regions());
    const labels = tf.tensor2d([-1, 7, -1, 20, -1, -1, -1, 4, -1, -1], [2, 5], 'int32');
    const targets = tf.softmax(numbers([2, 3, 6], 5)) as tf.Tensor3D;
    const masked = tf.tensor2d([1, 0, 0, 0, 1, 1], [2, 3]);
    return tf.addN([
      maskedWordLoss((places) => of.guess(read.words, places), labels, -1),
      of.regionLoss(of.guessRegions(read.regions), targets, masked),
      classLoss(of.match(read.pooled), tf.tensor1d([0, 1], 'int32')),
    ]) as tf.Scalar;
  }

  test('what it reads has the sizes of its streams, and attention goes to what is there alone', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const read = model.read(texts(), regions());
        expect(read.words.shape).toEqual([2, 5, 12]);
        expect(read.regions.shape).toEqual([2, 4, 8]);
        expect(read.pooled.shape).toEqual([2, 20]);
        expect(model.guess(read.words).logits.shape).toEqual([10, 30]);
        expect(model.guessRegions(read.regions).shape).toEqual([2, 4, 6]);
        expect(model.match(read.pooled).shape).toEqual([2, 2]);
        expect(read.coAttention.length).toBe(2);
        for (const { wordsToRegions, regionsToWords } of read.coAttention) {
          expect(wordsToRegions.shape).toEqual([2, 4, 5, 4]);
          expect(regionsToWords.shape).toEqual([2, 4, 4, 5]);
          for (const weights of [wordsToRegions, regionsToWords])
            expectClose(tf.sum(weights, -1), new Float32Array(weights.size / weights.shape[3]).fill(1), 1e-5);
          expectClose(tf.slice(wordsToRegions, [0, 0, 0, 3], [1, 4, 5, 1]), new Float32Array(20), 0);
          expectClose(tf.slice(regionsToWords, [1, 0, 0, 3], [1, 4, 4, 2]), new Float32Array(32), 0);
        }
      }),
    ));

  test('words see regions and regions see words, and neither sees padding', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const [text, seen] = [texts(), regions()];
        const before = model.read(text, seen);
        const changed = (row: number, place: number) =>
          tf.tensor3d(
            Array.from({ length: 40 }, (_, i) => (Math.floor(i / 5) === 4 * row + place ? 2 : 0)),
            [2, 4, 5],
          );
        const withChange = (row: number, place: number) =>
          model.read(text, { ...seen, features: tf.add(seen.features, changed(row, place)) });
        expectClose(withChange(0, 3).words, before.words, 0); // padding
        expectClose(
          tf.slice(withChange(0, 3).regions, [0, 0, 0], [2, 3, 8]),
          tf.slice(before.regions, [0, 0, 0], [2, 3, 8]),
          0,
        );
        const moved = tf.abs(tf.sub(withChange(1, 3).words, before.words));
        expect(tf.max(tf.slice(moved, 0, 1)).dataSync()[0]).toBe(0);
        expect(tf.min(tf.max(tf.slice(moved, 1, 1), -1)).dataSync()[0]).toBeGreaterThan(1e-3);

        const other = { ...text, ids: tf.tensor2d([2, 7, 9, 11, 3, 2, 8, 3, 0, 29], [2, 5], 'int32') };
        expectClose(model.read(other, seen).regions, before.regions, 0);
        const said = { ...text, ids: tf.tensor2d([2, 7, 9, 29, 3, 2, 8, 3, 0, 0], [2, 5], 'int32') };
        const heard = tf.abs(tf.sub(model.read(said, seen).regions, before.regions));
        expect(tf.min(tf.max(tf.slice(heard, 0, 1), -1)).dataSync()[0]).toBeGreaterThan(1e-3);
      }),
    ));

  /** Central differences along drawn directions: single precision leaves three digits of them. */
  test('gradients are those that finite differences give', () =>
    expectNoLeak(() => {
      const parameters = parametersOf(model.params);
      const { loss: value, grads } = gradients(() => loss(), parameters);
      value.dispose();
      for (const group of [
        /^(text|head)\./,
        /^(seen|regionHead)\./,
        /Layers\./,
        /^connections\./,
        /^(match|.*Pooler)\./,
      ]) {
        const names = [...grads.keys()].filter((name) => group.test(name));
        expect(names.length, `${group}`).toBeGreaterThan(0);
        const directions = new Map(names.map((name, i) => [name, numbers(parameters.get(name)!.shape, 50 + i)]));
        const length = Math.sqrt(names.reduce((sum, name) => sum + directions.get(name)!.size, 0));
        const step = 0.02 / length;
        const at = (factor: number) =>
          tf.tidy(() => {
            for (const name of names)
              parameters.get(name)!.assign(tf.add(parameters.get(name)!, tf.mul(directions.get(name)!, factor)));
            return loss().dataSync()[0]!;
          });
        const kept = names.map((name) => tf.clone(parameters.get(name)!));
        const above = at(step);
        const below = at(-2 * step);
        for (const [i, name] of names.entries()) parameters.get(name)!.assign(kept[i]!);
        const expected = tf.tidy(() =>
          names.reduce((sum, name) => sum + tf.sum(tf.mul(grads.get(name)!, directions.get(name)!)).dataSync()[0]!, 0),
        );
        const found = (above - below) / (2 * step);
        expectClose([found], [expected], 1e-3, 0.005);
        tf.dispose([kept, [...directions.values()]]);
      }
      tf.dispose([...grads.values()]);
    }));

  test('without co-attention its words are read as BERT reads them', () =>
    expectNoLeak(async () => {
      const apart = draw({ with_coattention: false });
      const held = new Map(apart.stateDict());
      const isOfWords = (name: string) => /^(bert\.(embeddings|encoder\.layer)|cls\.predictions)\./.test(name);
      const source: WeightSource = {
        tensors: new Map([...held].filter(([name]) => isOfWords(name))),
        read: async (name) => (await held.get(name)!.data()) as Float32Array,
        where: 'ViLBERT',
      };
      const bert = await BertMLM.load(readBertMLMConfig(words), source);
      tf.tidy(() => {
        const read = apart.read(texts(), regions());
        expect(read.coAttention).toEqual([]);
        const alone = bert.read(texts()).hiddenStates.at(-1)!;
        expectClose(read.words, alone, 1e-6);
        expectClose(apart.guess(read.words).logits, bert.guess(alone).logits, 1e-5);
      });
      tf.dispose([...held.values()]);
      bert.dispose();
      apart.dispose();
    }));

  test('one text meets every picture, and all texts meet all pictures, as rows of their own do', () =>
    expectNoLeak(() => {
      const [one, all] = [draw({ fast_mode: true }), draw({ in_batch_pairs: true })];
      tf.tidy(() => {
        const [text, seen] = [texts(), regions()];
        const row = (x: tf.Tensor | undefined, places: number[]) => x && tf.gather(x, places);
        const pick = <T extends object>(given: T, places: number[]) =>
          Object.fromEntries(Object.entries(given).map(([name, x]) => [name, row(x as tf.Tensor, places)])) as T;
        const twice = model.read(pick(text, [1, 1]), seen);
        expectClose(one.read(pick(text, [1]), seen).pooled, twice.pooled, 1e-5);
        const pairs = model.read(pick(text, [0, 0, 1, 1]), pick(seen, [0, 1, 0, 1]));
        const found = all.read(text, seen);
        expectClose(found.pooled, pairs.pooled, 1e-5);
        expectClose(found.words, pairs.words, 1e-5);
        expectClose(found.regionPadding!, pairs.regionPadding!, 0);
      });
      one.dispose();
      all.dispose();
    }));

  test('fixed layers, and what is before them, get no gradient', () =>
    expectNoLeak(() => {
      const fixed = draw({ fixed_t_layer: 1, t_biattention_id: [2, 2], v_biattention_id: [1, 1], fixed_v_layer: 1 });
      const { grads, loss: value } = gradients(() => loss(fixed), parametersOf(fixed.params));
      const names = [...grads.keys()];
      expect(names.filter((name) => /^(seen|text\.(places|types|norm)|(word|region)Layers\.0)\b/.test(name))).toEqual(
        [],
      );
      for (const name of [
        'wordLayers.1.up.weight',
        'regionLayers.1.up.weight',
        'connections.0.words.up.weight',
        'text.words',
      ])
        expect(names).toContain(name);
      tf.dispose([value, ...grads.values()]);
      fixed.dispose();
    }));

  test('heads for twelve tasks read pairs of pictures, and a token says which task it is', () =>
    expectNoLeak(() => {
      const sizes = readVilbertConfig({ ...config, task_specific_tokens: true });
      const twelve = new Vilbert({ ...sizes, tasks: { kind: 'twelve', answers: 7, gqa: 5 } }, new Random(2));
      tf.tidy(() => {
        const asked = (tasks: number[]) => twelve.read({ ...texts(), tasks: tf.tensor1d(tasks, 'int32') }, regions());
        const read = asked([1, 12]);
        expect(read.words.shape).toEqual([2, 6, 12]);
        const logits = twelve.tasks(read);
        expect(Object.fromEntries(Object.entries(logits).map(([name, x]) => [name, x.shape]))).toEqual({
          answers: [2, 7],
          gqa: [2, 5],
          retrieval: [2, 1],
          regionScores: [2, 4, 1],
          wordScores: [2, 6, 1],
          pairs: [1, 2],
          entailment: [2, 3],
        });
        expect(logits.regionScores.dataSync()[3]).toBeLessThan(-9000);
        const other = tf.abs(tf.sub(asked([2, 12]).pooledWords, read.pooledWords));
        expect((tf.max(other, 1).arraySync() as number[]).map((most) => most > 0)).toEqual([true, false]);
      });
      expect(() => tf.tidy(() => twelve.read(texts(), regions()))).toThrow(/which task/);
      twelve.dispose();
    }));

  test('wrong use says what to do, and leaves nothing behind', () =>
    expectNoLeak(() => {
      const long = { ids: tf.zeros<tf.Rank.R2>([2, 10], 'int32') };
      const seen = regions();
      expect(() => tf.tidy(() => model.read(long, seen))).toThrow(UsageError);
      expect(() => tf.tidy(() => model.read(long, seen))).toThrow('10 tokens, but the model has places for 9');
      expect(() => tf.tidy(() => model.tasks(model.read(texts(), regions())))).toThrow('pretrained only');
      const short = { ...seen, boxes: tf.zeros<tf.Rank.R3>([2, 4, 4]) };
      expect(() => tf.tidy(() => model.read(texts(), short))).toThrow('boxes has shape [2,4,4] but should be');
      const alone = { ids: tf.zeros<tf.Rank.R2>([1, 5], 'int32') };
      expect(() => tf.tidy(() => model.read(alone, seen))).toThrow('features has shape [2,4,5]');
      const loose = { ids: tf.zeros<tf.Rank.R2>([2, 5], 'int32'), types: long.ids };
      expect(() => tf.tidy(() => model.read(loose, seen))).toThrow('types of texts has shape [2,10]');
      tf.dispose([long, alone, loose.ids, short.boxes, { ...seen }]);
    }));
});
