import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AttentionLSTMCaptioner } from '../src/attentionLSTMCaptioner';
import { askedForCpu } from '../src/backends/warnIfPlainCpu';
import type { Caption, CaptionOptions } from '../src/captioner';
import { ensemble } from '../src/captioner/ensemble';
import { minimumBayesRisk } from '../src/captioner/minimumBayesRisk';
import type { CaptionPart } from '../src/captioner/stream';
import { UsageError } from '../src/core/errors';
import { Random } from '../src/core/random';
import { WordTokenizer } from '../src/data/wordTokenizer';
import { beam } from '../src/decoders/search/beam';
import { contrastive } from '../src/decoders/search/contrastive';
import { greedy } from '../src/decoders/search/greedy';
import { sample } from '../src/decoders/search/sample';
import type { Search } from '../src/decoders/search/types';
import { ConvEncoder } from '../src/encoders/convEncoder';
import { expectClose, expectNoLeak } from './helpers';
import { dispose, tinyCaptioner, tinyPicture, tinyTokenizer } from './training/tiny';

await tf.setBackend('cpu');
askedForCpu();

/** Freshly drawn weights say the same of everything; larger ones have opinions, and reach the end now and then. */
function opinionated(options: Parameters<typeof tinyCaptioner>[0]): AttentionLSTMCaptioner {
  const captioner = tinyCaptioner(options);
  tf.tidy(() => {
    for (const variable of captioner.parameters().values()) variable.assign(tf.mul(variable, 4));
    const bias = captioner.parameters().get('decoder.output.bias')!;
    bias.assign(tf.add(bias, tf.mul(tf.oneHot(tinyTokenizer.endId, tinyTokenizer.vocabSize), 3)));
  });
  return captioner;
}

let captioner: AttentionLSTMCaptioner;
let other: AttentionLSTMCaptioner;
beforeAll(() => {
  captioner = opinionated({ seed: 3, numLayers: 2 });
  other = opinionated({ seed: 4, hiddenSize: 5 });
});
afterAll(() => {
  dispose(captioner);
  dispose(other);
});

const pictures = Array.from({ length: 5 }, (_, i) => tinyPicture(i));

describe('the likeliest words of every place', () => {
  test('stand beside the ones that were said, best first', () =>
    expectNoLeak(async () => {
      for (const caption of await captioner.caption(pictures, { search: greedy(), wordAlternatives: 3 })) {
        expect(caption.wordAlternatives).toHaveLength(caption.tokens.length);
        for (const [t, places] of caption.wordAlternatives!.entries()) {
          expect(places).toHaveLength(3);
          expect(places[0]).toEqual({
            word: caption.words[t] ?? '',
            token: caption.tokens[t],
            logProb: caption.logProbs[t],
          });
          expect(places.map(({ logProb }) => logProb)).toEqual(
            places.map(({ logProb }) => logProb).sort((a, b) => b - a),
          );
        }
      }
      const [without] = await captioner.caption([pictures[0]!]);
      expect(without).not.toHaveProperty('wordAlternatives');
      await expect(captioner.caption(pictures, { wordAlternatives: -1 })).rejects.toThrow(/^wordAlternatives is -1/);
    }));
});

describe('a stream', () => {
  const said = async (stream: AsyncGenerator<CaptionPart, Caption>) => {
    const parts: CaptionPart[] = [];
    while (true) {
      const next = await stream.next();
      if (next.done) return { parts, caption: next.value };
      parts.push(next.value);
    }
  };

  test.each<[string, Search]>([
    ['greedy', greedy()],
    ['sample', sample({ seed: 5, topP: 0.9 })],
    ['contrastive', contrastive({ topK: 3 })],
  ])('says by %s what caption() returns', (_, search) =>
    expectNoLeak(async () => {
      for (const picture of pictures) {
        const options = { search, attention: true, maxLength: 6 };
        const expected = await captioner.caption(picture, options);
        const { parts, caption } = await said(captioner.stream(picture, options));
        expect(caption).toEqual(expected);
        expect(parts.map(({ word }) => word)).toEqual(expected.words);
        expect(parts.at(-1)?.text ?? '').toBe(expected.text);
        expect(parts.map(({ logProb }) => logProb)).toEqual(expected.logProbs.slice(0, parts.length));
        expect(parts.map(({ attention }) => attention)).toEqual(expected.attention);
        for (const [i, { text }] of parts.entries())
          expect(text).toBe(tinyTokenizer.decode(expected.tokens.slice(0, i + 1)));
      }
    }),
  );

  test('is greedy unless told otherwise', async () => {
    const { caption } = await said(captioner.stream(pictures[0]!));
    expect(caption).toEqual(await captioner.caption(pictures[0]!, { search: greedy() }));
  });

  test('comes word by word: the model waits for who listens', () =>
    expectNoLeak(async () => {
      let steps = 0;
      const counting: Search = (decoder, memory, problem) => {
        const step: typeof decoder.step = (...given) => {
          steps++;
          return decoder.step(...given);
        };
        return greedy()(Object.assign(Object.create(decoder), { step }), memory, { ...problem, endId: [] });
      };
      const stream = captioner.stream(pictures[0]!, { search: counting, maxLength: 6 });
      for (let words = 1; words <= 3; words++) {
        await stream.next();
        await new Promise((resolve) => setTimeout(resolve, 5));
        expect(steps).toBe(words);
      }
      await stream.return(undefined as unknown as Caption); // the loop is left
      expect(steps).toBe(3);
    }));

  test('stops when asked to, with the reason given', () =>
    expectNoLeak(async () => {
      const reason = new Error('enough');
      await expect(captioner.stream(pictures[0]!, { signal: AbortSignal.abort(reason) }).next()).rejects.toBe(reason);
      const controller = new AbortController();
      const search: Search = (decoder, memory, problem) => greedy()(decoder, memory, { ...problem, endId: [] });
      const stream = captioner.stream(pictures[0]!, { search, signal: controller.signal });
      await stream.next();
      controller.abort(reason);
      await expect(stream.next()).rejects.toBe(reason);
    }));

  const silent: Search = (decoder, memory, { onToken: _, ...problem }) =>
    greedy()(decoder, memory, { ...problem, endId: [] });
  test.each<[string, CaptionOptions, RegExp]>([
    ['a beam', { search: beam({ beamSize: 2 }) }, /greedy\(\) and sample\(\) say them one by one/],
    ['a search that does not speak', { search: silent }, /does not say words one by one\. greedy\(\), sample\(\)/],
    ['wrong use', { maxLength: 0 }, /^maxLength is 0/],
  ])('of %s is an error', (_, options, message) =>
    expectNoLeak(() => expect(said(captioner.stream(pictures[0]!, options))).rejects.toThrow(message)),
  );
});

describe('an ensemble', () => {
  test('of one captioner, or of the same one twice, says what it says alone', () =>
    expectNoLeak(async () => {
      const options = { attention: true, maxLength: 6, wordAlternatives: 2 };
      const alone = await captioner.caption(pictures, options);
      for (const members of [[captioner], [captioner, captioner]]) {
        const together = await ensemble(members).caption(pictures, { ...options, batchSize: 2 });
        expect(together.map(({ tokens }) => tokens)).toEqual(alone.map(({ tokens }) => tokens));
        for (const [i, { logProbs, attention }] of together.entries()) {
          expectClose(logProbs, alone[i]!.logProbs, 1e-5);
          expectClose(attention!.flat(), alone[i]!.attention!.flat(), 1e-6);
        }
      }
    }));

  test('gives every word the mean of its probabilities', () =>
    expectNoLeak(async () => {
      const [caption] = await ensemble([captioner, other]).caption([pictures[1]!], {
        search: greedy(),
        wordAlternatives: tinyTokenizer.vocabSize,
      });
      const both = await Promise.all(
        [captioner, other].map(async (each) => {
          // All that it might have said in the first place, from the model itself.
          const [first] = await each.caption([pictures[1]!], {
            search: greedy(),
            wordAlternatives: tinyTokenizer.vocabSize,
          });
          return new Map(first!.wordAlternatives![0]!.map(({ token, logProb }) => [token, Math.exp(logProb)]));
        }),
      );
      for (const { token, logProb } of caption!.wordAlternatives![0]!)
        expect(Math.exp(logProb)).toBeCloseTo((both[0]!.get(token)! + both[1]!.get(token)!) / 2, 5);
      expect(caption!.tokens[0]).toBe(caption!.wordAlternatives![0]![0]!.token);
    }));

  test('wants one vocabulary, and one grid where attention is asked for', async () => {
    const tokenizer = await WordTokenizer.fromCaptions(['a dog', 'a cat'], { minCount: 1 });
    const stranger = tinyCaptioner({ tokenizer });
    expect(() => ensemble([captioner, stranger])).toThrow(/do not share a vocabulary: vocabSize is/);
    const renamed = new WordTokenizer({
      ...tinyTokenizer.vocabulary,
      words: tinyTokenizer.vocabulary.words.with(5, 'zebra'),
    });
    const namesake = tinyCaptioner({ tokenizer: renamed });
    expect(() => ensemble([captioner, namesake])).toThrow(/token 5 is ".*" in one and "zebra" in the other/);
    expect(() => ensemble([])).toThrow(UsageError);
    const encoder = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [5] }, new Random(1));
    const finer = tinyCaptioner({ encoder });
    await expectNoLeak(() =>
      expect(ensemble([captioner, finer]).caption(pictures, { attention: true })).rejects.toThrow(/different sizes/),
    );
    expect(await ensemble([captioner, finer]).caption(pictures, { search: greedy() })).toHaveLength(5);
    for (const each of [stranger, namesake, finer]) each.dispose();
    encoder.dispose();
  });
});

describe('minimum Bayes risk', () => {
  const shared = (a: string, b: string) => a.split(' ').filter((word) => b.split(' ').includes(word)).length;
  const candidates = [
    { text: 'a cat', logProbs: [-1, -1] },
    { text: 'a dog runs', logProbs: [-2, -1] },
    { text: 'the dog runs', logProbs: [-3, -1] },
  ];

  test('puts first what agrees most with the others', () => {
    const ranked = minimumBayesRisk(candidates, shared);
    expect(ranked.map(({ text, agreement }) => [text, agreement])).toEqual([
      ['a dog runs', 1.5],
      ['the dog runs', 1],
      ['a cat', 0.5],
    ]);
  });

  test('may weigh candidates by their probabilities', () => {
    const ranked = minimumBayesRisk(candidates, shared, { weights: 'probability' });
    const [cat, dog, the] = [-2, -3, -4].map(Math.exp) as [number, number, number];
    const agreements = Object.fromEntries(ranked.map(({ text, agreement }) => [text, agreement]));
    expect(agreements['a dog runs']).toBeCloseTo((cat * 1 + the * 2) / (cat + the), 12);
    expect(agreements['a cat']).toBeCloseTo((dog * 1 + the * 0) / (dog + the), 12);
  });

  test('of one candidate is that one; of none, or by other weights, an error', () => {
    expect(minimumBayesRisk(candidates.slice(0, 1), shared)).toEqual([{ ...candidates[0], agreement: 0 }]);
    expect(() => minimumBayesRisk([], shared)).toThrow(UsageError);
    expect(() => minimumBayesRisk(candidates, shared, { weights: 'length' as 'equal' })).toThrow(/weights is "length"/);
  });
});
