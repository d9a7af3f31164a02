import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import type { Dropout } from '../../src/core/dropout';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import type { Tree } from '../../src/core/tree';
import { BertMLM, readBertMLMConfig } from '../../src/models/bertMLM';
import { Lxmert } from '../../src/models/lxmert';
import { readLxmertConfig } from '../../src/models/lxmertConfig';
import type { TextInput } from '../../src/models/textAndRegions';
import { Vilbert } from '../../src/models/vilbert';
import { readVilbertConfig } from '../../src/models/vilbertConfig';
import { VisualBert } from '../../src/models/visualBert';
import { readVisualBertConfig } from '../../src/models/visualBertConfig';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const sizes = {
  vocab_size: 20,
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 6,
  max_position_embeddings: 5,
};
const streams = { v_hidden_size: 6, v_num_hidden_layers: 1, v_num_attention_heads: 2, v_intermediate_size: 4 };
const connected = { bi_hidden_size: 4, bi_num_attention_heads: 2, t_biattention_id: [1], v_biattention_id: [0] };

const features = () => tf.reshape<tf.Rank.R3>(tf.linspace(-1, 1, 30), [2, 3, 5]);
const boxes = (size: number) => tf.reshape<tf.Rank.R3>(tf.linspace(0, 1, 6 * size), [2, 3, size]);

type Read = (texts: TextInput, drop?: Dropout) => tf.Tensor[];
type Drawn = { read: Read; params: Tree; dispose(): void };

/** A small model of each kind, and all that a training step would read of it. */
const kinds: Record<string, (random: Random) => Drawn> = {
  BERT(random) {
    const model = new BertMLM(readBertMLMConfig(sizes), random);
    return modelWith(model, (texts, drop) => {
      const { hiddenStates } = model.read(texts, drop);
      return [hiddenStates.at(-1)!, model.guess(hiddenStates.at(-1)!).logits];
    });
  },
  VisualBERT(random) {
    const model = new VisualBert(readVisualBertConfig({ ...sizes, visual_embedding_dim: 5 }), random);
    return modelWith(model, (texts, drop) => {
      const { hiddenStates, pooled } = model.read(texts, { features: features() }, drop);
      return [hiddenStates.at(-1)!, model.match(pooled)];
    });
  },
  LXMERT(random) {
    const model = new Lxmert(
      readLxmertConfig({ ...sizes, l_layers: 1, r_layers: 1, x_layers: 1, visual_feat_dim: 5 }),
      random,
    );
    return modelWith(model, (texts, drop) => {
      const { words, regions, pooled } = model.read(texts, { features: features(), boxes: boxes(4) }, drop);
      return [words.hiddenStates.at(-1)!, regions.hiddenStates.at(-1)!, model.match(pooled)];
    });
  },
  ViLBERT(random) {
    const model = new Vilbert(readVilbertConfig({ ...sizes, ...streams, ...connected, v_feature_size: 5 }), random);
    return modelWith(model, (texts, drop) => {
      const { words, regions, pooled } = model.read(texts, { features: features(), boxes: boxes(5) }, drop);
      return [words, regions, pooled];
    });
  },
};

function modelWith(model: { params: Tree; dispose(): void }, read: Read): Drawn {
  return { read, params: model.params, dispose: () => model.dispose() };
}

const ids = () => tf.tensor2d([3, 4, 5, 6, 7, 8, 9, 10], [2, 4], 'int32');

describe.each(Object.keys(kinds))('%s', (kind) => {
  test('without weights it is drawn from the seed', () =>
    expectNoLeak(() => {
      const [one, same, other] = [7, 7, 8].map((seed) => kinds[kind]!(new Random(seed)));
      const [first, again, different] = [one!, same!, other!].map(({ params }) => parametersOf(params));
      for (const [name, value] of first!) expectClose(again!.get(name)!, value, 0);
      expect(
        [...first!].some(([name, value]) =>
          tf.tidy(() => tf.max(tf.abs(tf.sub(value, different!.get(name)!))).dataSync()[0]! > 0),
        ),
      ).toBe(true);
      for (const each of [one!, same!, other!]) each.dispose();
    }));

  test('dropout follows from its randomness alone, and reaches all that is read', () =>
    expectNoLeak(() => {
      const model = kinds[kind]!(new Random(1));
      tf.tidy(() => {
        const texts = { ids: ids() };
        const read = (rate: number, seed: number) => model.read(texts, { rate, random: new Random(seed) });
        const [plain, none, once, twice, other] = [
          model.read(texts),
          read(0, 1),
          read(0.4, 1),
          read(0.4, 1),
          read(0.4, 2),
        ];
        for (const [i, value] of plain.entries()) {
          expectClose(none[i]!, value, 0);
          expectClose(twice[i]!, once[i]!, 0);
          for (const far of [value, other[i]!])
            expect(tf.max(tf.abs(tf.sub(once[i]!, far))).dataSync()[0]).toBeGreaterThan(0);
        }
      });
      model.dispose();
    }));

  test('words are of the first sentence unless told otherwise', () =>
    expectNoLeak(() => {
      const model = kinds[kind]!(new Random(1));
      tf.tidy(() => {
        const plain = model.read({ ids: ids() });
        const first = model.read({ ids: ids(), types: tf.zeros([2, 4], 'int32'), keyPaddingMask: tf.zeros([2, 4]) });
        for (const [i, value] of plain.entries()) expectClose(first[i]!, value, 1e-6);
        const second = model.read({ ids: ids(), types: tf.ones([2, 4], 'int32') });
        expect(tf.max(tf.abs(tf.sub(second[0]!, plain[0]!))).dataSync()[0]).toBeGreaterThan(1e-3);
      });
      model.dispose();
    }));

  test('texts that are too long, or masks of another shape, are refused', () =>
    expectNoLeak(() => {
      const model = kinds[kind]!(new Random(1));
      tf.tidy(() => {
        expect(() => model.read({ ids: tf.zeros([2, 6], 'int32') })).toThrow(
          '6 tokens, but the model has places for 5',
        );
        expect(() => model.read({ ids: ids(), keyPaddingMask: tf.zeros([2, 3]) })).toThrow(
          'has shape [2,3] but should be',
        );
      });
      model.dispose();
    }));
});

test('VisualBERT reads texts alone, and takes the places of words where regions are aligned with them', () =>
  expectNoLeak(() => {
    const config = readVisualBertConfig({ ...sizes, visual_embedding_dim: 5, type_vocab_size: 1 });
    const model = new VisualBert(config, new Random(1));
    tf.tidy(() => {
      expect(model.read({ ids: ids() }).hiddenStates.at(-1)!.shape).toEqual([2, 4, 8]);
      const seen = { features: features() };
      const bare = model.read({ ids: ids() }, seen).hiddenStates[0]!;
      expect(bare.shape).toEqual([2, 7, 8]);
      const nowhere = tf.fill<tf.Rank.R3>([2, 3, 2], -1, 'int32');
      expectClose(model.read({ ids: ids() }, { ...seen, alignment: nowhere }).hiddenStates[0]!, bare, 1e-6);
      const somewhere = tf.tensor3d([1, -1, -1, -1, 2, 3, 0, -1, -1, -1, 1, 1], [2, 3, 2], 'int32');
      const placed = model.read({ ids: ids() }, { ...seen, alignment: somewhere }).hiddenStates[0]!;
      const moved = tf.max(tf.abs(tf.sub(placed, bare)), -1).arraySync() as number[][];
      expect(moved.map((row) => row.map((most) => most > 1e-4))).toEqual([
        [false, false, false, false, true, false, true],
        [false, false, false, false, true, false, true],
      ]);
    });
    model.dispose();
  }));
