import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { encodeImages } from '../../src/captioner';
import { DataError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import type { PretrainedTokenizer } from '../../src/data/pretrainedTokenizer';
import { readSafetensors, type StoredTensor, writeSafetensors } from '../../src/io/safetensors';
import { saveStateDict } from '../../src/io/saveStateDict';
import { memoryStore } from '../../src/io/stores';
import type { Store } from '../../src/io/types';
import { modelFromPretrained, type PretrainedModels } from '../../src/models/modelFromPretrained';
import { Vilbert } from '../../src/models/vilbert';
import { readVilbertConfig } from '../../src/models/vilbertConfig';
import { directory } from '../../src/node/directory';
import { modelFromPretrained as inNode } from '../../src/node/pretrainedModel';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const folder = (name: string) => join(import.meta.dirname, '../goldens/models', name);

const cases: [kind: keyof PretrainedModels, name: string][] = [
  ['bert', 'bert_mlm'],
  ['blip', 'blip_itm'],
  ['clip', 'clip'],
  ['lxmert', 'lxmert'],
  ['siglip', 'siglip'],
  ['visual_bert', 'visual_bert'],
];

const tensorsOf = async (store: Store) => readSafetensors(await store.read('model.safetensors')).tensors;

async function changed(name: string, change: (tensors: Map<string, StoredTensor>) => void): Promise<Store> {
  const [from, to] = [directory(folder(name)), memoryStore()];
  const tensors = new Map(await tensorsOf(from));
  change(tensors);
  await to.write('model.safetensors', writeSafetensors([...tensors]));
  await to.write('config.json', await from.read('config.json'));
  return to;
}

function move(tensors: Map<string, StoredTensor>, from: string, to: string): void {
  tensors.set(to, tensors.get(from)!);
  tensors.delete(from);
}

describe.each(cases)('%s', (kind, name) => {
  test('is loaded from a folder, is saved, and loads again', () =>
    expectNoLeak(async () => {
      const loaded = await inNode(kind, folder(name));
      const [store, half] = [memoryStore(), memoryStore()];
      await loaded.savePretrained(store);
      await loaded.savePretrained(half, { dtype: 'float16' });
      expect(await store.read('config.json')).toEqual(
        new Uint8Array(await directory(folder(name)).read('config.json')),
      );
      expect(new TextDecoder().decode(await half.read('config.json'))).toContain('"dtype": "float16"');
      const [before, after] = [await tensorsOf(directory(folder(name))), await tensorsOf(store)];
      for (const [key, { data, shape }] of before) {
        expect(after.get(key)!.shape, key).toEqual(shape);
        expect(Buffer.compare(after.get(key)!.data, data), key).toBe(0);
      }
      const again = await modelFromPretrained(kind, store);
      expect(again.tokenizer?.vocabSize).toBe(loaded.tokenizer?.vocabSize);
      again.model.dispose();
      loaded.model.dispose();
    }));

  test('says everything that is missing, unexpected or of another shape', () =>
    expectNoLeak(async () => {
      const names = [...(await tensorsOf(directory(folder(name)))).keys()].filter((key) => key.endsWith('.weight'));
      const [lost, turned] = [names.at(0)!, names.at(-1)!];
      const store = await changed(name, (tensors) => {
        const { shape, data, ...rest } = tensors.get(turned)!;
        tensors.set(turned, { ...rest, data, shape: [...shape, 1] });
        move(tensors, lost, 'extra.weight');
      });
      const problems = await modelFromPretrained(kind, store).catch((error: unknown) => error);
      expect(problems).toBeInstanceOf(DataError);
      for (const part of [`${lost} [`, 'is missing', `${turned} is [`, 'extra.weight is not part of this model'])
        expect((problems as Error).message).toContain(part);
    }));
});

test('texts become tokens by the tokenizer beside the weights', async () => {
  const { model, tokenizer } = await inNode('bert', folder('bert_mlm'));
  const reader: PretrainedTokenizer = tokenizer!;
  const { ids } = reader.encodeText(`a [MASK] runs`);
  const place = ids.indexOf(reader.special.mask!);
  expect(place).toBeGreaterThan(0);
  tf.tidy(() => {
    const hidden = model.read({ ids: tf.tensor2d([ids], [1, ids.length], 'int32') }).hiddenStates.at(-1)!;
    expect(model.guess(hidden, tf.tensor1d([place], 'int32')).logits.shape).toEqual([1, model.config.vocabSize]);
  });
  model.dispose();
});

test('BLIP judges several texts of a picture at once as one by one, by either head', () =>
  expectNoLeak(async () => {
    const { model, tokenizer } = await inNode('blip', folder('blip_itm'));
    const values = new Random(3).uniform(40 * 32 * 3);
    const picture = {
      data: Uint8Array.from(values, (value) => 256 * value),
      width: 40,
      height: 32,
      channels: 3,
    } as const;
    const features = await encodeImages(model.encoder, [picture]);
    const encoded = tokenizer!.encodeBatch(['a dog runs', 'two sheep and a guitar', 'a'], { padding: 'longest' });
    tf.tidy(() => {
      const ids = tf.tensor2d(
        encoded.map((each) => each.ids),
        undefined,
        'int32',
      );
      const padding = tf.sub<tf.Tensor2D>(1, tf.tensor2d(encoded.map((each) => each.mask)));
      const logits = model.matchLogits(model.read(ids, padding, features));
      const cosines = tf.matMul(
        model.textVectors(model.read(ids, padding)),
        model.pictureVectors(features),
        false,
        true,
      );
      expect([logits.shape, cosines.shape]).toEqual([
        [3, 2],
        [3, 1],
      ]);
      for (const [row, { ids, mask }] of encoded.entries()) {
        const own = ids.filter((_, place) => mask[place] === 1);
        const alone = tf.tensor2d([own], [1, own.length], 'int32');
        expectClose(tf.slice(logits, row, 1), model.matchLogits(model.read(alone, undefined, features)), 1e-5);
        const vector = model.textVectors(model.read(alone));
        expectClose(tf.slice(cosines, row, 1), tf.matMul(vector, model.pictureVectors(features), false, true), 1e-5);
      }
    });
    features.dispose();
    model.dispose();
  }));

test('another kind of model is refused by name', () =>
  expectNoLeak(async () => {
    const store = directory(folder('lxmert'));
    await expect(modelFromPretrained('clip', store)).rejects.toThrow(`"lxmert", but 'clip' was asked for`);
  }));

test('older files load: a tied table that is there twice, gammas and betas, and what pretraining had besides', () =>
  expectNoLeak(async () => {
    const store = await changed('bert_mlm', (tensors) => {
      tensors.set('cls.predictions.decoder.weight', tensors.get('bert.embeddings.word_embeddings.weight')!);
      tensors.set('bert.pooler.dense.bias', tensors.get('bert.embeddings.LayerNorm.bias')!);
      tensors.set('cls.seq_relationship.bias', tensors.get('bert.embeddings.LayerNorm.bias')!);
      for (const name of [...tensors.keys()].filter((key) => key.includes('LayerNorm')))
        move(tensors, name, name.replace('weight', 'gamma').replace('bias', 'beta'));
    });
    const { model } = await modelFromPretrained('bert', store);
    const saved = tf.tidy(() => [...model.stateDict()].map(([name]) => name));
    expect(saved.sort()).toEqual([...(await tensorsOf(directory(folder('bert_mlm')))).keys()].sort());
    model.dispose();
  }));

test('ViLBERT has neither a model_type nor a config.json beside its weights; the file says which heads it has', () =>
  expectNoLeak(async () => {
    const config = {
      vocab_size: 20,
      hidden_size: 8,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      intermediate_size: 6,
      max_position_embeddings: 7,
      v_feature_size: 5,
      v_target_size: 3,
      v_hidden_size: 6,
      v_num_hidden_layers: 1,
      v_num_attention_heads: 2,
      v_intermediate_size: 4,
      bi_hidden_size: 4,
      bi_num_attention_heads: 2,
      t_biattention_id: [1],
      v_biattention_id: [0],
    };
    const read = readVilbertConfig(config);
    for (const tasks of [undefined, { kind: 'first', answers: 3 }, { kind: 'twelve', answers: 3, gqa: 5 }] as const) {
      const drawn = new Vilbert({ ...read, tasks }, new Random(1));
      const [store, copy] = [memoryStore(), memoryStore()];
      await saveStateDict(store, drawn.stateDict(), { dispose: true });
      drawn.dispose();
      await expect(modelFromPretrained('vilbert', store)).rejects.toThrow('config.json');
      const loaded = await modelFromPretrained('vilbert', store, { config });
      expect(loaded.model.config.tasks).toEqual(tasks);
      await loaded.savePretrained(copy);
      const again = await modelFromPretrained('vilbert', copy);
      const [saved, before] = [await copy.read('model.safetensors'), await store.read('model.safetensors')];
      expect(Buffer.compare(saved, before)).toBe(0);
      loaded.model.dispose();
      again.model.dispose();
    }
  }));
