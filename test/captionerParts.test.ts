import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { ATTENTION_NAMES, type AttentionName } from '../src/attention/create';
import { type AttentionMechanism, attendByScores, dotScores } from '../src/attention/mechanism';
import { AttentionLSTMCaptioner, type AttentionLSTMCaptionerOptions } from '../src/attentionLSTMCaptioner';
import { askedForCpu } from '../src/backends/warnIfPlainCpu';
import { DataError, UsageError } from '../src/core/errors';
import { type LinearParams, linear, linearOverPositions, linearParams } from '../src/core/linear';
import { Random } from '../src/core/random';
import { readGloVe } from '../src/data/glove';
import { tokenBias } from '../src/data/tokenBias';
import { wordVectors } from '../src/data/wordVectors';
import { beam } from '../src/decoders/search/beam';
import { greedy } from '../src/decoders/search/greedy';
import { ConvEncoder } from '../src/encoders/convEncoder';
import { memoryStore } from '../src/io/stores';
import { loadCaptioner } from '../src/loadCaptioner';
import { LSTMCaptioner, type LSTMCaptionerOptions } from '../src/lstmCaptioner';
import { freeze } from '../src/training/freeze';
import { hardAttention } from '../src/training/hardAttention';
import { adamW } from '../src/training/optimizers';
import { train } from '../src/training/train';
import { TransformerCaptioner } from '../src/transformerCaptioner';
import { expectClose, expectNoLeak } from './helpers';
import { tinyData, tinyPicture, tinyTokenizer } from './training/tiny';

await tf.setBackend('cpu');
askedForCpu();

const pictures = [1, 2, 3].map(tinyPicture);
const conv = () => new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 6] }, new Random(1));
const sizes = { embeddingSize: 6, hiddenSize: 6, dropout: 0.3, generation: { beamSize: 2, maxLength: 6 } };

const attending = (options: Partial<AttentionLSTMCaptionerOptions>) =>
  AttentionLSTMCaptioner.create({ encoder: conv(), tokenizer: tinyTokenizer, ...sizes, attentionSize: 8, ...options });
const plain = (options: Partial<LSTMCaptionerOptions>) =>
  LSTMCaptioner.create({ encoder: conv(), tokenizer: tinyTokenizer, ...sizes, ...options });

const names = ATTENTION_NAMES.map((attention): [string, () => AttentionLSTMCaptioner] => [
  `attention ${attention}`,
  () => attending({ attention }),
]);
const captioners: [string, () => AttentionLSTMCaptioner | LSTMCaptioner | TransformerCaptioner][] = [
  ...names,
  ['attention after, deep output, tied', () => attending({ look: 'after', deepOutput: true, tied: true })],
  ['attention between GRU layers', () => attending({ look: 'between', cell: 'gru', attention: 'adaptive' })],
  ['tied, fused', () => attending({ tied: true })],
  ...(['init', 'pre', 'par', 'merge'] as const).flatMap((injection) =>
    (['lstm', 'gru'] as const).map((cell): [string, () => LSTMCaptioner] => [
      `${injection}-inject, ${cell}`,
      () => plain({ injection, cell, numLayers: 2, tied: cell === 'gru' }),
    ]),
  ),
  [
    'a transformer',
    () =>
      TransformerCaptioner.create({
        encoder: conv(),
        tokenizer: tinyTokenizer,
        hiddenSize: 8,
        numHeads: 2,
        numLayers: 1,
      }),
  ],
];

describe.each(captioners)('%s', (_, make) => {
  test('is saved, loaded by its architecture, captions alike and streams', () =>
    expectNoLeak(async () => {
      const captioner = make();
      const store = memoryStore();
      await captioner.save(store);
      const loaded = await loadCaptioner(store);
      expect(loaded.constructor).toBe(captioner.constructor);
      expect((loaded.decoder as { config?: unknown }).config).toEqual(
        (captioner.decoder as { config?: unknown }).config,
      );
      const captions = await captioner.caption(pictures);
      expect(await loaded.caption(pictures)).toEqual(captions);
      const said = await loaded.caption(pictures[0]!, { search: greedy(), maxLength: 5 });
      const stream = captioner.stream(pictures[0]!, { maxLength: 5 });
      const words: string[] = [];
      let next = await stream.next();
      for (; !next.done; next = await stream.next()) words.push(next.value.word);
      expect([words, next.value.text]).toEqual([said.words, said.text]);
      captioner.encoder.dispose();
      captioner.dispose();
      loaded.dispose();
    }));

  test('captions do not depend on the batch, with a beam too', () =>
    expectNoLeak(async () => {
      const captioner = make();
      const search = beam({ beamSize: 3 });
      const together = await captioner.caption(pictures, { search });
      for (const [i, picture] of pictures.entries()) {
        const alone = await captioner.caption(picture, { search });
        expect(alone.text).toBe(together[i]!.text);
        expectClose(alone.logProbs, together[i]!.logProbs, 1e-5);
      }
      captioner.encoder.dispose();
      captioner.dispose();
    }));

  test('learns, with dropout, and leaves nothing behind', () =>
    expectNoLeak(async () => {
      const captioner = make();
      const before = new Map([...captioner.parameters()].map(([name, { size }]) => [name, size]));
      const chooses = captioner instanceof AttentionLSTMCaptioner && captioner.decoder.attention.chooses;
      const objective = chooses ? hardAttention() : undefined;
      const optimizer = adamW(1e-2);
      const options = { epochs: 4, batchSize: 5, captionsPerImage: 3, optimizer, ...(objective && { objective }) };
      const losses: number[] = [];
      for await (const { crossEntropy, loss, figures } of train(captioner, tinyData, options)) {
        losses.push(figures.words ?? crossEntropy); // hard attention learns more than words
        expect(Number.isFinite(loss)).toBe(true);
      }
      expect(losses.at(-1)).toBeLessThan(losses[0]!);
      expect([...before.keys()]).toEqual([...captioner.parameters().keys()]);
      objective?.dispose();
      optimizer.dispose();
      captioner.encoder.dispose();
      captioner.dispose();
    }));
});

/** Products of unit vectors. */
const cosine: AttentionMechanism<{ query: LinearParams; key: LinearParams }> = {
  config: { type: 'cosine' },
  params: ({ querySize, featureSize, attentionSize }, random) => ({
    query: linearParams(querySize, attentionSize, random.fork('query')),
    key: linearParams(featureSize, attentionSize, random.fork('key')),
  }),
  keys: ({ key }, features) => unit(linearOverPositions(key, features)),
  attend: ({ query }, asked, memory) =>
    attendByScores(tf.mul<tf.Tensor3D>(dotScores(unit(linear(query, asked)), memory.keys), 8), memory),
};
const unit = <T extends tf.Tensor>(x: T): T => tf.div<T>(x, tf.add(tf.norm(x, 2, -1, true), 1e-6));

describe('a mechanism of your own', () => {
  test('is a part like any other, and is given again where a captioner is loaded', () =>
    expectNoLeak(async () => {
      const captioner = attending({ attention: cosine });
      const store = memoryStore();
      await captioner.save(store);
      const loaded = await loadCaptioner(store, { attention: cosine });
      expect(await loaded.caption(pictures)).toEqual(await captioner.caption(pictures));
      expect((await loaded.caption(pictures[0]!, { attention: true })).attention![0]!.length).toBe(4);
      captioner.encoder.dispose();
      captioner.dispose();
      loaded.dispose();
    }));

  test('missing, or another one, is named', () =>
    expectNoLeak(async () => {
      const captioner = attending({ attention: cosine });
      const store = memoryStore();
      await captioner.save(store);
      await expect(AttentionLSTMCaptioner.load(store)).rejects.toThrow(
        /'cosine' is none of this library's: give the mech/,
      );
      const other = { ...cosine, config: { type: 'sine' } };
      await expect(loadCaptioner(store, { attention: other })).rejects.toThrow(/it is not 'sine'/);
      captioner.encoder.dispose();
      captioner.dispose();
    }));
});

test('an encoder of your own is given again where a captioner is loaded, and stays yours', () =>
  expectNoLeak(async () => {
    const own = conv();
    const mine = Object.assign(Object.create(own) as ConvEncoder, { config: { type: 'mine' } });
    const captioner = LSTMCaptioner.create({ encoder: mine, tokenizer: tinyTokenizer, ...sizes });
    const store = memoryStore();
    await captioner.save(store);
    await expect(loadCaptioner(store)).rejects.toThrow(DataError);
    const other = conv();
    await expect(loadCaptioner(store, { encoder: other })).rejects.toThrow(/an encoder 'mine', not 'conv'/);
    const again = Object.assign(Object.create(other) as ConvEncoder, { config: { type: 'mine' } });
    const loaded = await loadCaptioner(store, { encoder: again });
    expect(await loaded.caption(pictures)).toEqual(await captioner.caption(pictures));
    loaded.dispose();
    captioner.dispose();
    own.dispose();
    other.dispose();
  }));

describe('what a captioner begins with', () => {
  const glove = new TextEncoder().encode('dog 1 2 3\nthe -1 0 1\ncat 0.5 0.5 0.5\nDog 7 7 7\ndog 9 9 9\n');

  test('vectors of words, with what they cover; the other words stay as they were', () =>
    expectNoLeak(async () => {
      const found = await wordVectors(tinyTokenizer, readGloVe([glove], 3));
      const { words, special } = tinyTokenizer.vocabulary;
      expect(found.coverage).toMatchObject({ words: words.length - Object.keys(special).length, found: 3 });
      expect(found.coverage.missing).not.toContain('dog');
      expect(found.coverage.missing.length).toBe(found.coverage.words - 3);
      const { embeddingSize: _, ...others } = sizes;
      const create = (given: Partial<LSTMCaptionerOptions>) =>
        LSTMCaptioner.create({ encoder: conv(), tokenizer: tinyTokenizer, ...others, ...given });
      const [with_, without] = [create({ wordVectors: found }), create({ embeddingSize: 3 })];
      const tables = [with_, without].map(({ decoder }) => decoder.params.embedding.arraySync());
      const at = (word: string) => words.indexOf(word);
      expect(tables[0]![at('dog')]).toEqual([1, 2, 3]);
      expect(tables[0]![at('cat')]).toEqual([0.5, 0.5, 0.5]);
      expect(tables[0]![at('runs')]).toEqual(tables[1]![at('runs')]);

      const frozen = freeze(with_.parameters(), /^decoder\.embedding$/);
      const optimizer = adamW(1e-2);
      for await (const _ of train(with_, tinyData, { epochs: 2, optimizer, captionsPerImage: 1 }));
      expect(with_.decoder.params.embedding.arraySync()).toEqual(tables[0]);
      frozen.release();
      for await (const _ of train(with_, tinyData, { epochs: 1, optimizer, captionsPerImage: 1 }));
      expect(with_.decoder.params.embedding.arraySync()).not.toEqual(tables[0]);
      optimizer.dispose();
      for (const captioner of [with_, without]) {
        captioner.encoder.dispose();
        captioner.dispose();
      }
    }));

  test('the frequencies of tokens as the bias of the output', () =>
    expectNoLeak(async () => {
      const bias = await tokenBias(tinyTokenizer, tinyData.captions());
      const count = (token: number) => Math.exp(bias[token]!);
      const dog = tinyTokenizer.encode('dog')[0]!;
      const total = 15 + [...(await captionsOf())].length + tinyTokenizer.vocabSize;
      expectClose(
        [count(dog), count(tinyTokenizer.endId), count(tinyTokenizer.padId)],
        [5 / total, 16 / total, 1 / total],
        1e-6,
      );
      for (const captioner of [attending({ outputBias: bias, tied: true }), plain({ outputBias: bias })]) {
        expectClose(captioner.decoder.params.output.bias, bias, 0);
        captioner.encoder.dispose();
        captioner.dispose();
      }
    }));

  async function captionsOf(): Promise<number[]> {
    const tokens: number[] = [];
    for await (const caption of tinyData.captions()) tokens.push(...tinyTokenizer.encode(caption));
    return tokens;
  }

  test('no vector for any word', () =>
    expect(wordVectors(tinyTokenizer, [{ word: 'giraffe', vector: Float32Array.of(1) }])).rejects.toThrow(
      /None of the/,
    ));
});

describe('hard attention', () => {
  test('is not trained without hardAttention(), which trains nothing else', () =>
    expectNoLeak(async () => {
      const [hard, soft] = [attending({ attention: 'hard' }), attending({})];
      const objective = hardAttention();
      const first = (captioner: AttentionLSTMCaptioner, options = {}) => train(captioner, tinyData, options).next();
      await expect(first(hard)).rejects.toThrow(/objective: hardAttention\(\)/);
      await expect(first(soft, { objective })).rejects.toThrow(/attention: 'hard'/);
      objective.dispose();
      for (const captioner of [hard, soft]) {
        captioner.encoder.dispose();
        captioner.dispose();
      }
    }));
});

describe('wrong use', () => {
  const cases: [string, () => unknown, RegExp][] = [
    ['an attention that is none', () => attending({ attention: 'soft' as AttentionName }), /no attention 'soft'/],
    ['adaptive attention first', () => attending({ attention: 'adaptive', look: 'before' }), /'after' or 'between'/],
    ['one layer to look between', () => attending({ look: 'between', numLayers: 1 }), /numLayers is 1/],
    ['a look that is none', () => attending({ look: 'never' as 'after' }), /look is never/],
    ['a cell that is none', () => plain({ cell: 'rnn' as 'gru' }), /cell is rnn/],
    ['an injection that is none', () => plain({ injection: 'post' as 'pre' }), /injection is post/],
    ['tied sizes that differ', () => attending({ tied: true, embeddingSize: 5 }), /Make them equal/],
    ['tied sizes that differ, without attention', () => plain({ tied: true, embeddingSize: 5 }), /Make them equal/],
    ['a bias of another vocabulary', () => plain({ outputBias: [1, 2] }), /outputBias has 2 numbers/],
    [
      'vectors of another size',
      () => plain({ wordVectors: { size: 3, vectors: new Map() } }),
      /embeddingSize is 6 but the word vectors have 3/,
    ],
    [
      'vectors of another vocabulary',
      () => attending({ embeddingSize: 1, wordVectors: { size: 1, vectors: new Map([[999, Float32Array.of(1)]]) } }),
      /token 999/,
    ],
    [
      'an activation that belongs to additive attention',
      () => attending({ attention: 'general', attentionActivation: 'relu' }),
      /belongs to attention: 'additive'/,
    ],
  ];
  test.each(cases)('%s', (_, act, message) => {
    expect(act).toThrow(UsageError);
    expect(act).toThrow(message);
  });
});
