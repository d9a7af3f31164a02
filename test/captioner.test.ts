import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AttentionLSTMCaptioner } from '../src/attentionLSTMCaptioner';
import { askedForCpu } from '../src/backends/warnIfPlainCpu';
import type { Caption, CaptionOptions } from '../src/captioner';
import { DataError, UsageError } from '../src/core/errors';
import type { Image, PixelImage } from '../src/data/types';
import { beam } from '../src/decoders/search/beam';
import { greedy } from '../src/decoders/search/greedy';
import { sample } from '../src/decoders/search/sample';
import type { Search } from '../src/decoders/search/types';
import { expectClose, expectNoLeak } from './helpers';
import { dispose, tinyCaptioner, tinyPicture, tinyTokenizer } from './training/tiny';

await tf.setBackend('cpu');
askedForCpu();

/** Makes some captions end within a few words, and leaves others to be cut. */
const ENDING = 3;

let captioner: AttentionLSTMCaptioner;
beforeAll(() => {
  captioner = tinyCaptioner({ seed: 3, numLayers: 2 });
  tf.tidy(() => {
    // Freshly drawn weights say the same of everything; larger ones have opinions, and reach the end now and then.
    for (const variable of captioner.parameters().values()) variable.assign(tf.mul(variable, 4));
    const bias = captioner.parameters().get('decoder.output.bias')!;
    bias.assign(tf.add(bias, tf.mul(tf.oneHot(tinyTokenizer.endId, tinyTokenizer.vocabSize), ENDING)));
  });
});
afterAll(() => dispose(captioner));

const pictures = Array.from({ length: 7 }, (_, i) => tinyPicture(i));
const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

test('pictures that are encoded in several goes keep their order', () =>
  expectNoLeak(async () => {
    const many = Array.from({ length: 19 }, (_, i) => tinyPicture(i));
    const together = await captioner.encode(many);
    expect(together.shape[0]).toBe(19);
    for (const [i, picture] of many.entries()) {
      const alone = await captioner.encode([picture]);
      // The same sums in the same order, but a kernel may split its work by the batch: a few units in the last place.
      tf.tidy(() => expectClose(tf.slice(together, i, 1), alone, 1e-6, 1e-6));
      alone.dispose();
    }
    together.dispose();
  }));

describe('captions', () => {
  test('an array gives an array, one gives one, and none gives none', () =>
    expectNoLeak(async () => {
      const [all, one, none] = [
        await captioner.caption(pictures),
        await captioner.caption(pictures[2]!),
        await captioner.caption([]),
      ];
      expect(all).toHaveLength(7);
      expect(one.text).toBe(all[2]!.text);
      expect(none).toEqual([]);
      expect(new Set(all.map(({ text }) => text)).size, 'captions that differ').toBeGreaterThan(2);
    }));

  test.each([
    ['greedy', greedy(), 0],
    ['beam', beam({ beamSize: 3, lengthPenalty: 0.7 }), 0.7],
    ['sampling', sample({ seed: 5, topP: 0.9 }), 0],
  ])('text, words, tokens and log-probabilities of %s go together', (_, search, lengthPenalty) =>
    expectNoLeak(async () => {
      const maxLength = 5;
      const captions = await captioner.caption(pictures, { search, maxLength });
      let ended = 0;
      for (const { text, words, tokens, logProbs, score, attention, alternatives = [] } of captions) {
        expect(attention).toBeUndefined();
        expect(text.toLowerCase().replace(/\W+$/, '').split(' ').filter(Boolean)).toEqual(words);
        expect(logProbs).toHaveLength(tokens.length);
        expect(logProbs.every((logProb) => logProb <= 0)).toBe(true);
        expect(tokens.length).toBeLessThanOrEqual(maxLength);
        const finished = tokens.at(-1) === tinyTokenizer.endId;
        ended += Number(finished);
        expect(tinyTokenizer.words(finished ? tokens.slice(0, -1) : tokens)).toEqual(words);
        expect(words).toHaveLength(finished ? tokens.length - 1 : tokens.length);
        const { padId, startId, unknownId } = tinyTokenizer;
        expect(tokens.filter((token) => [padId, startId, unknownId].includes(token))).toEqual([]);
        expect(score).toBeCloseTo(sum(logProbs) / tokens.length ** lengthPenalty, 5);
        for (const other of alternatives) {
          expect(other.score).toBeLessThanOrEqual(score);
          expect(other.logProbs).toHaveLength(other.tokens.length);
        }
      }
      expect(ended, 'captions with and without an end are both covered').toBeGreaterThan(0);
      expect(ended).toBeLessThan(captions.length);
    }),
  );

  test('a beam of three gives two alternatives, greedy none', async () => {
    const [beamed] = await captioner.caption([pictures[0]!], { search: beam({ beamSize: 3 }) });
    expect(beamed!.alternatives).toHaveLength(2);
    const [plain] = await captioner.caption([pictures[0]!], { search: greedy() });
    expect(plain!.alternatives).toBeUndefined();
  });

  test("unless told otherwise, the captioner's own search is used", async () => {
    const { generation } = captioner;
    const expected = await captioner.caption(pictures, { search: beam(generation), maxLength: generation.maxLength });
    expect(await captioner.caption(pictures)).toEqual(expected);
    expect(expected[0]!.alternatives).toHaveLength(generation.beamSize - 1);
  });

  test.each([
    ['greedy', greedy()],
    ['beam', beam({ beamSize: 3 })],
  ])('do not depend on how pictures are batched (%s)', (_, search) =>
    expectNoLeak(async () => {
      const options = { search, attention: true, maxLength: 6 };
      const whole = await captioner.caption(pictures, { ...options, batchSize: 7 });
      for (const batchSize of [1, 2, 3]) {
        const parts = await captioner.caption(pictures, { ...options, batchSize });
        expect(parts.map(({ text }) => text)).toEqual(whole.map(({ text }) => text));
        for (const [i, part] of parts.entries()) {
          expect(part.tokens).toEqual(whole[i]!.tokens);
          expectClose(part.logProbs, whole[i]!.logProbs, 1e-5);
          expectClose(part.attention!.flat(), whole[i]!.attention!.flat(), 1e-5);
        }
      }
      const backward = await captioner.caption(pictures.toReversed(), { ...options, batchSize: 3 });
      expect(backward.toReversed().map(({ text }) => text)).toEqual(whole.map(({ text }) => text));
    }),
  );

  test('attention has a row per word that sums to 1, over the positions of the grid', () =>
    expectNoLeak(async () => {
      for (const { words, attention, grid } of await captioner.caption(pictures, { attention: true })) {
        expect(grid).toEqual([2, 2]);
        expect(attention).toHaveLength(words.length);
        for (const row of attention!) {
          expect(row).toHaveLength(4);
          expect(sum(row)).toBeCloseTo(1, 5);
        }
      }
    }));

  test('of stored features are those of the pictures', () =>
    expectNoLeak(async () => {
      const features = await captioner.encode(pictures);
      expect(features.shape).toEqual([7, 4, 5]);
      expect(await captioner.captionFeatures(features)).toEqual(await captioner.caption(pictures));
      expect(features.isDisposed).toBe(false);
      features.dispose();
    }));
});

describe('what goes wrong leaves nothing behind', () => {
  const cut: PixelImage = { data: new Uint8Array(10), width: 8, height: 8, channels: 3 };
  const failing: Search = async (decoder, memory, { batch }) => {
    tf.tidy(() => {
      decoder.initialState(memory);
    });
    throw new Error(`lost ${batch} pictures`);
  };
  const noSearch = { search: 'greedy' } as unknown as CaptionOptions;
  const cases: [string, Image[], CaptionOptions, (new (message: string) => Error) | undefined, RegExp][] = [
    ['a picture whose pixels are cut', [pictures[0]!, cut], {}, DataError, /8/],
    ['a search that is none', pictures, noSearch, UsageError, /search should be a strategy such as greedy\(\)/],
    ['a search that fails', pictures, { search: failing, batchSize: 2 }, undefined, /lost 2 pictures/],
    ['no length', pictures, { maxLength: 0 }, UsageError, /^maxLength is 0/],
    ['half a batch', pictures, { batchSize: 0.5 }, UsageError, /^batchSize is 0.5/],
    ['a signal given already', pictures, { signal: AbortSignal.abort() }, undefined, /abort/i],
  ];
  test.each(cases)('%s', (_, images, options, kind, message) =>
    expectNoLeak(async () => {
      const failed = captioner.caption(images, options);
      await expect(failed).rejects.toThrow(message);
      if (kind) await expect(failed).rejects.toThrow(kind);
    }),
  );

  test('a signal that comes while a caption is being said', () =>
    expectNoLeak(async () => {
      const controller = new AbortController();
      const stopping: Search = (decoder, memory, problem) => {
        let words = 0;
        const step: typeof decoder.step = (...given) => {
          if (++words === 2) controller.abort(new Error('enough'));
          return decoder.step(...given);
        };
        return greedy()(Object.assign(Object.create(decoder), { step }), memory, problem);
      };
      const failed = captioner.caption(pictures, { search: stopping, signal: controller.signal });
      await expect(failed).rejects.toThrow('enough');
    }));

  test('features of another encoder', () =>
    expectNoLeak(async () => {
      const features = tf.zeros<tf.Rank.R3>([2, 4, 6]);
      await expect(captioner.captionFeatures(features)).rejects.toThrow(
        /features has shape \[2,4,6\] but should be \[images, positions, features=5\]\. Were they made by the encoder/,
      );
      features.dispose();
    }));

  test('weights that went astray', () =>
    expectNoLeak(async () => {
      const astray = tinyCaptioner();
      const bias = astray.parameters().get('decoder.output.bias')!;
      tf.tidy(() => bias.assign(tf.fill(bias.shape, Number.NaN)));
      await expect(astray.caption(pictures)).rejects.toThrow('The decoder gave logits that are not numbers.');
      dispose(astray);
    }));
});

describe('a captioner to be made', () => {
  test('follows from its seed, and leaves the encoder to its owner', () =>
    expectNoLeak(async () => {
      const [a, same, other] = [1, 1, 2].map((seed) => tinyCaptioner({ seed })) as [
        AttentionLSTMCaptioner,
        AttentionLSTMCaptioner,
        AttentionLSTMCaptioner,
      ];
      const texts = async (each: AttentionLSTMCaptioner) =>
        (await each.caption(pictures)).map(({ logProbs }: Caption) => logProbs);
      expect(await texts(same)).toEqual(await texts(a));
      expect(await texts(other)).not.toEqual(await texts(a));
      a.dispose();
      tf.dispose(await same.encode([pictures[0]!]));
      a.encoder.dispose();
      for (const each of [same, other]) dispose(each);
    }));

  test.each([
    [{ hiddenSize: 0 }, /^hiddenSize is 0/],
    [{ numLayers: 1.5 }, /^numLayers is 1.5/],
    [{ dropout: 1 }, /^dropout is 1 but should be at least 0 and below 1/],
    [{ dropout: -0.1 }, /^dropout is -0.1/],
  ])('%o is refused', (options, message) => {
    expect(() => tinyCaptioner(options)).toThrow(UsageError);
    expect(() => tinyCaptioner(options)).toThrow(message);
  });
});
