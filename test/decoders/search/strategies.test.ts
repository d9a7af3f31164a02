import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../src/core/errors';
import { type BeamOptions, beam } from '../../../src/decoders/search/beam';
import type { Constraints } from '../../../src/decoders/search/constraints';
import { type ContrastiveOptions, contrastive } from '../../../src/decoders/search/contrastive';
import { type GreedyOptions, greedy } from '../../../src/decoders/search/greedy';
import {
  badWords,
  lengthDecay,
  minNewTokens,
  noRepeatNgram,
  type Processor,
  renormalise,
  repetitionPenalty,
  sequenceBias,
} from '../../../src/decoders/search/processors';
import { type SampleOptions, sample } from '../../../src/decoders/search/sample';
import { applyEffects } from '../../../src/decoders/search/scores';
import type { Hypothesis, Search, SearchProblem, Spoken } from '../../../src/decoders/search/types';
import { expectClose, expectNoLeak } from '../../helpers';
import { scripted } from './scripted';

const [startId, endId] = [1, 2];
type Model = ReturnType<typeof scripted>;

async function find(
  search: Search,
  { decoder, memoryOf }: Model,
  seeds: readonly number[],
  problem: Partial<SearchProblem> = {},
): Promise<Hypothesis[][]> {
  const memory = memoryOf(seeds);
  try {
    return await expectNoLeak(() =>
      search(decoder, memory, { batch: seeds.length, startId, endId, maxLength: 6, ...problem }),
    );
  } finally {
    memory.picture.seed.dispose();
  }
}

/** The scores after these processors, of the whole vocabulary. */
function processed(processors: readonly Processor[], scores: readonly number[], tokens: readonly number[]): number[] {
  const values = Float64Array.from(scores);
  for (const processor of processors) {
    const effect = processor({ tokens, promptLength: 1, picture: 0 });
    if (effect) applyEffects([effect], { values });
  }
  return [...values];
}

/** Constraints, and the processors that they are, in order. */
const constraintSets: [string, Constraints & Pick<BeamOptions, 'renormalise'>, Processor[]][] = [
  ['repetitionPenalty', { repetitionPenalty: 1.7 }, [repetitionPenalty(1.7)]],
  ['reward of repetition', { repetitionPenalty: 0.6 }, [repetitionPenalty(0.6)]],
  ['noRepeatNgram', { noRepeatNgram: 1 }, [noRepeatNgram(1)]],
  [
    'sequenceBias and bad words',
    {
      badWords: [[5], [6, 7]],
      sequenceBias: [
        [[8], 3],
        [[startId, 9], 5],
        [[8, 10], 4],
      ],
    },
    [
      sequenceBias([
        [[8], 3],
        [[startId, 9], 5],
        [[8, 10], 4],
      ]),
      badWords([[5], [6, 7]], [endId]),
    ],
  ],
  [
    'bias before repetition, and tokens that are not in the vocabulary',
    {
      repetitionPenalty: 1.7,
      sequenceBias: [
        [[99], 3],
        [[startId], 4],
        [[7], 2],
      ],
      badWords: [[77]],
    },
    [
      sequenceBias([
        [[startId], 4],
        [[7], 2],
      ]),
      repetitionPenalty(1.7),
    ],
  ],
  [
    'all at once',
    { minNewTokens: 3, repetitionPenalty: 1.3, noRepeatNgram: 2, lengthDecay: { start: 1, factor: 0.8 } },
    [repetitionPenalty(1.3), noRepeatNgram(2), minNewTokens(3, [endId]), lengthDecay(1, 0.8, [endId])],
  ],
];

describe.each(constraintSets)('%s', (_, constraints, processors) => {
  const seeds = [1, 2, 3, 4];

  test('greedy search takes the best of the changed logits', async () => {
    const model = scripted(40, 1);
    const found = await find(greedy({ ...constraints, temperature: 0.7 }), model, seeds);
    for (const [picture, seed] of seeds.entries()) {
      const tokens = [startId];
      while (tokens.length <= 6 && (tokens.length === 1 || tokens.at(-1) !== endId)) {
        const scores = processed(processors, model.logitsOf(seed, tokens), tokens);
        tokens.push(scores.indexOf(Math.max(...scores)));
      }
      const [caption] = found[picture]!;
      expect(caption!.tokens).toEqual(tokens.slice(1));
      const own = caption!.tokens.map((token, t) => model.logProbsOf(seed, tokens.slice(0, t + 1), 0.7)[token]!);
      expectClose(caption!.logProbs, own, 1e-5); // the model's, whatever the constraints
    }
  });

  // The same, once with the few tokens read that can matter, once with the whole vocabulary.
  test.each([false, true])(
    'a beam finds the best of the changed log-probabilities (renormalised: %s)',
    async (again) => {
      const vocabSize = again ? 5 : 40;
      const model = scripted(vocabSize, 1);
      const list = again ? [...processors, renormalise] : processors;
      const [beamSize, maxLength] = again ? [700, 4] : [3, 6];
      const found = await find(beam({ beamSize, ...constraints, renormalise: again }), model, seeds, { maxLength });
      for (const [picture, seed] of seeds.entries()) {
        const next = (tokens: number[]) => processed(list, model.logProbsOf(seed, tokens), tokens);
        const expected = again ? everyCaption(next, maxLength) : plainBeam(next, beamSize, maxLength);
        expect(found[picture]!.map(({ tokens }) => tokens)).toEqual(expected.map(({ tokens }) => tokens));
        expectClose(
          found[picture]!.map(({ score }) => score),
          expected.map(({ score }) => score),
          1e-4,
        );
      }
    },
  );
});

type Found = { tokens: number[]; score: number };
const byScore = (a: Found, b: Found) => b.score - a.score;

/** Every caption there is, best first by the mean. */
function everyCaption(next: (tokens: number[]) => number[], maxLength: number): Found[] {
  const walk = (tokens: number[], sum: number): Found[] => {
    if (tokens.length > 1 && (tokens.at(-1) === endId || tokens.length > maxLength))
      return [{ tokens: tokens.slice(1), score: sum / (tokens.length - 1) }];
    return next(tokens).flatMap((value, token) => (value === -Infinity ? [] : walk([...tokens, token], sum + value)));
  };
  return walk([startId], 0).sort(byScore);
}

/** The vectorised beam search of transformers for one picture, without an eye to speed. */
function plainBeam(next: (tokens: number[]) => number[], beamSize: number, maxLength: number): Found[] {
  let live = [{ tokens: [startId], sum: 0 }];
  let kept: Found[] = [];
  for (let n = 1; n <= maxLength; n++) {
    const candidates = live
      .flatMap(({ tokens, sum }) => next(tokens).map((value, id) => ({ tokens: [...tokens, id], sum: sum + value })))
      .filter(({ sum }) => sum > -Infinity)
      .sort((a, b) => b.sum - a.sum)
      .slice(0, 2 * beamSize);
    const stopped = ({ tokens }: { tokens: number[] }) => n === maxLength || tokens.at(-1) === endId;
    const ending = candidates.slice(0, beamSize).filter(stopped);
    kept = [...kept, ...ending.map(({ tokens, sum }) => ({ tokens: tokens.slice(1), score: sum / n }))]
      .sort(byScore)
      .slice(0, beamSize);
    live = candidates.filter((each) => !stopped(each)).slice(0, beamSize);
    if (live.length === 0 || (kept.length === beamSize && live[0]!.sum / n <= kept.at(-1)!.score)) break;
  }
  return kept;
}

test('a bias needs something before its sequence, as in transformers', () => {
  const biased = sequenceBias([[[startId, 9], 5]]);
  const changes = (tokens: number[]) => {
    const effect = biased({ tokens, promptLength: 1, picture: 0 });
    return effect && 'change' in effect ? [...effect.change.keys()] : undefined;
  };
  expect(changes([startId])).toEqual([]);
  expect(changes([0, startId])).toEqual([9]);
  expect(changes([startId, 0])).toEqual([]);
});

const everyStrategy: [string, (constraints: Constraints) => Search][] = [
  ['greedy', (constraints) => greedy(constraints)],
  ['beam', (constraints) => beam({ beamSize: 3, ...constraints })],
  ['diverse beam', (constraints) => beam({ beamSize: 4, groups: 2, diversityPenalty: 1, ...constraints })],
  ['sample', (constraints) => sample({ samples: 3, seed: 2, ...constraints })],
  ['filtered sample', (constraints) => sample({ topK: 3, seed: 2, ...constraints })],
  ['beam sample', (constraints) => sample({ beamSize: 3, topK: 4, seed: 2, ...constraints })],
  ['contrastive', (constraints) => contrastive(constraints)],
];

describe.each(everyStrategy)('%s keeps to', (_, make) => {
  const seeds = [11, 12, 13];
  const captions = async (constraints: Constraints, problem: Partial<SearchProblem> = {}) =>
    (await find(make(constraints), scripted(12, 1), seeds, { maxLength: 10, ...problem })).flat();

  test('lengths', async () => {
    for (const { tokens } of await captions({ minLength: 6, maxLength: 7 })) {
      expect(tokens.length).toBeGreaterThanOrEqual(6); // the start token counts too, and so does the end
      expect(tokens.length).toBeLessThanOrEqual(7);
    }
    for (const { tokens } of await captions({ minNewTokens: 6 })) expect(tokens.slice(0, 6)).not.toContain(endId);
  });

  test('n-grams that do not repeat', async () => {
    for (const { tokens } of await captions({ noRepeatNgram: 2 }, { endId: [] })) {
      const pairs = tokens.slice(1).map((token, i) => `${tokens[i]} ${token}`);
      expect(new Set(pairs).size).toBe(pairs.length);
    }
  });

  test('words that may not come', async () => {
    const options = { badWords: [[5], [6, 7]], suppress: [8], beginSuppress: [3, 4, 9, 10, 11] };
    for (const { tokens } of await captions(options)) {
      expect([5, 8].some((token) => tokens.includes(token))).toBe(false);
      expect(tokens.some((token, i) => token === 6 && tokens[i + 1] === 7)).toBe(false);
      expect(options.beginSuppress).not.toContain(tokens[0]);
    }
  });

  test('a first and a last token', async () => {
    const first = await captions({ forcedFirst: 7, beginSuppress: [3] });
    for (const { tokens } of first) {
      expect(tokens[0]).toBe(7);
      expect(tokens[1]).not.toBe(3);
    }
    for (const { tokens } of await captions({ forcedLast: endId, maxLength: 4 })) expect(tokens.at(-1)).toBe(endId);
    const either = [5, 6];
    for (const { tokens } of await captions({ forcedLast: either, maxLength: 4 }, { endId: [] }))
      expect(either).toContain(tokens[3]);
  });

  test('a prefix function, which is told the picture', async () => {
    // Tokens rise, from the number of the picture on; all may end.
    const allowed = (prefix: readonly number[], picture: number) => [
      endId,
      ...[3, 4, 5, 6, 7, 8, 9].filter((token) => token > (prefix.at(-1) ?? 2 + picture)),
    ];
    const found = await find(make({ allowed }), scripted(12, 1), seeds);
    for (const [picture, { tokens }] of found.flatMap((all, i) => all.map((each) => [i, each] as const))) {
      const words = tokens.filter((token) => token !== endId);
      expect(words).toEqual([...new Set(words)].sort((a, b) => a - b));
      for (const word of words) expect(word).toBeGreaterThan(2 + picture);
    }
  });

  test('the likeliest words of every place', async () => {
    const model = scripted(12, 1);
    const found = await find(make({}), model, seeds, { wordAlternatives: 3 });
    for (const [picture, seed] of seeds.entries())
      for (const { tokens, logProbs, alternatives } of found[picture]!)
        for (const [t, places] of alternatives!.entries()) {
          const own = model.logProbsOf(seed, [startId, ...tokens.slice(0, t)]);
          const best = [...own.entries()].sort(([, a], [, b]) => b - a).slice(0, 3);
          expect(places.map(({ token }) => token)).toEqual(best.map(([token]) => token));
          expectClose(
            [...places.map(({ logProb }) => logProb), logProbs[t]!],
            [...best.map(([, logProb]) => logProb), own[tokens[t]!]!],
            1e-5,
          );
        }
  });

  test('what is left when constraints leave nothing: an error', async () => {
    const failed = find(make({ allowed: () => [] }), scripted(12, 1), seeds);
    await expect(failed).rejects.toThrow(/suppress, minLength and the other constraints leave no token/);
    await expect(failed).rejects.toThrow(UsageError);
  });
});

test.each(everyStrategy)('%s with constraints does not depend on how pictures are batched', async (_, make) => {
  const model = scripted(60, 1);
  const seeds = [1, 2, 3, 4, 5];
  // Each hypothesis has other tokens that change, so that what is read depends on the batch.
  const search = make({ repetitionPenalty: 1.5, noRepeatNgram: 2, sequenceBias: [[[9], 1]], minLength: 4 });
  const together = await find(search, model, seeds, { maxLength: 8 });
  for (const [picture, seed] of seeds.entries()) {
    const [alone] = await find(search, model, [seed], { maxLength: 8 });
    expect(together[picture]!.map(({ tokens }) => tokens)).toEqual(alone!.map(({ tokens }) => tokens));
    const numbers = (found: readonly Hypothesis[]) => found.flatMap(({ score, logProbs }) => [score, ...logProbs]);
    expectClose(numbers(together[picture]!), numbers(alone!), 1e-5);
  }
});

describe('prompts', () => {
  test.each(everyStrategy)('%s: constraints see them, pictures may have longer ones than others', async (_, make) => {
    const model = scripted(12, 1);
    const prompts = [[startId], [startId, 5, 6, 7]];
    // The state of the second picture has read what stands before the last token.
    const initialState = (memory: Parameters<typeof model.decoder.initialState>[0]) => ({
      ...model.decoder.initialState(memory),
      length: tf.tensor1d([0, 3], 'int32'),
      trace: tf.tensor2d([Array(24).fill(0), [startId, 5, 6, ...Array(21).fill(0)]]),
    });
    const prompted = { ...model, decoder: { ...model.decoder, initialState } };
    const found = await find(make({ noRepeatNgram: 1, minLength: 5 }), prompted, [1, 2], { prompts });
    for (const [picture, all] of found.entries())
      for (const { tokens, logProbs } of all) {
        const prompt = prompts[picture]!;
        expect(new Set([...prompt, ...tokens]).size).toBe(prompt.length + tokens.length);
        expect(tokens.slice(0, 5 - prompt.length)).not.toContain(endId);
        const own = tokens.map((token, t) => model.logProbsOf(picture + 1, [...prompt, ...tokens.slice(0, t)])[token]!);
        expectClose(logProbs, own, 1e-5);
      }
  });

  test('have to be one for every picture', async () => {
    for (const prompts of [[[startId]], [[startId], []]])
      await expect(find(greedy(), scripted(5), [1, 2], { prompts })).rejects.toThrow(/prompts should hold one list/);
  });
});

describe('forced words', () => {
  const model = scripted(6, 1.5);
  const contains = (tokens: readonly number[], phrase: readonly number[]) =>
    tokens.some((_, at) => phrase.every((token, i) => tokens[at + i] === token));

  test.each([
    [[[3]]],
    [[[3], [4]]],
    [[[3, 4], [5]]],
    [[[3, 3]]],
    [
      [
        [4, 3],
        [5, 0],
      ],
    ],
  ])('a beam that holds everything finds all captions with %j', async (forcedWords) => {
    const found = await find(beam({ beamSize: 4000, forcedWords }), model, [1, 2], { maxLength: 4 });
    for (const [picture, seed] of [1, 2].entries()) {
      const every = everyCaption((tokens) => model.logProbsOf(seed, tokens), 4);
      const expected = every.filter(({ tokens }) => forcedWords.every((phrase) => contains(tokens, phrase)));
      expect(found[picture]!.map(({ tokens }) => tokens)).toEqual(expected.map(({ tokens }) => tokens));
      expectClose(
        found[picture]!.map(({ score }) => score),
        expected.map(({ score }) => score),
        1e-5,
      );
    }
  });

  test('all appear in a narrow beam over many words, however unlikely', async () => {
    const large = scripted(60, 2);
    for (const forcedWords of [[[50]], [[51, 52], [7]], [[8], [9], [10]]]) {
      const found = await find(beam({ beamSize: 3, forcedWords }), large, [1, 2, 3], { maxLength: 8 });
      for (const { tokens } of found.flat())
        for (const phrase of forcedWords) expect(contains(tokens, phrase), `${tokens} holds ${phrase}`).toBe(true);
    }
  });

  test('no place goes to what cannot hold them all any more', async () => {
    // Three words in three places: every place of the beam has to go to one of the six orders, from the first word on.
    const search = beam({ beamSize: 3, forcedWords: [[8], [9], [10]], lengthPenalty: 0 });
    const found = await find(search, scripted(60, 2), [1, 2, 3], { maxLength: 3 });
    for (const all of found) {
      expect(all).toHaveLength(3);
      for (const { tokens } of all) expect([...tokens].sort((a, b) => a - b)).toEqual([8, 9, 10]);
    }
  });

  test('that do not fit are an error', async () => {
    const search = beam({ beamSize: 3, forcedWords: [[3, 4, 5]] });
    await expect(find(search, model, [1], { maxLength: 2 })).rejects.toThrow(
      /forcedWords do not fit into captions of 2/,
    );
  });
});

describe('diverse beam search', () => {
  test('one group is the beam of the older rule', async () => {
    const model = scripted(20, 1);
    const one = await find(beam({ beamSize: 3, rule: 'heap' }), model, [1, 2, 3]);
    expect(await find(beam({ beamSize: 3, rule: 'heap', groups: 1 }), model, [1, 2, 3])).toEqual(one);
  });

  test('a large penalty keeps groups from the same first word', async () => {
    const found = await find(beam({ beamSize: 6, groups: 3, diversityPenalty: 50 }), scripted(20, 1), [1, 2, 3], {
      endId: [],
    });
    for (const all of found) {
      const firsts = [0, 1, 2].map((group) =>
        all.filter((each) => each.group === group).map(({ tokens }) => tokens[0]),
      );
      for (const [group, words] of firsts.entries())
        for (const other of firsts.slice(group + 1)) expect(other.some((word) => words.includes(word))).toBe(false);
    }
  });
});

describe('contrastive search', () => {
  const model = scripted(15, 0.5);
  const cosine = (a: number[], b: number[]) => {
    const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
    return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  };

  test.each([
    { topK: 4, penaltyAlpha: 0.6 },
    { topK: 3, penaltyAlpha: 0.2 },
    { topK: 5, penaltyAlpha: 1 },
  ])('weighs probability against sameness, %o', async ({ topK, penaltyAlpha }) => {
    const seeds = [1, 2, 3, 4, 5];
    const found = await find(contrastive({ topK, penaltyAlpha }), model, seeds, { maxLength: 9 });
    for (const [picture, seed] of seeds.entries()) {
      const read = [startId];
      while (read.length <= 9 && (read.length === 1 || read.at(-1) !== endId)) {
        const logProbs = model.logProbsOf(seed, read);
        const seen = read.map((_, t) => model.hiddenOf(seed, read.slice(0, t + 1)));
        const worth = [...logProbs.entries()]
          .sort(([, a], [, b]) => b - a)
          .slice(0, topK)
          .map(([token, logProb]) => {
            const hidden = model.hiddenOf(seed, [...read, token]);
            const same = Math.max(...seen.map((each) => cosine(each, hidden)));
            return { token, value: (1 - penaltyAlpha) * Math.exp(logProb) - penaltyAlpha * same };
          })
          .sort((a, b) => b.value - a.value);
        read.push(worth[0]!.token);
      }
      expect(found[picture]![0]!.tokens).toEqual(read.slice(1));
    }
  });

  test('without a penalty it is greedy', async () => {
    const plain = await find(greedy(), model, [1, 2, 3]);
    const found = await find(contrastive({ penaltyAlpha: 0 }), model, [1, 2, 3]);
    expect(found.flat().map(({ tokens }) => tokens)).toEqual(plain.flat().map(({ tokens }) => tokens));
  });

  test('a decoder that does not give what it compares is an error', async () => {
    const step: typeof model.decoder.step = (...given) => {
      const { hidden: _, ...rest } = model.decoder.step(...given);
      return rest;
    };
    const without = { ...model, decoder: { ...model.decoder, step } };
    await expect(find(contrastive(), without, [1])).rejects.toThrow(/its step has no `hidden`/);
  });
});

describe('sampling', () => {
  test.each<SampleOptions>([
    { minP: 0.5 },
    { typicalP: 0.3 },
    { epsilon: 0.04 },
    { eta: 0.2 },
    { beamSize: 3 },
    { beamSize: 3, topK: 5, temperature: 2 },
  ])('the same seed draws the same, another one something else: %o', async (options) => {
    const model = scripted(20, 0.5);
    const draw = async (seed: number) =>
      (await find(sample({ ...options, seed }), model, [1, 2, 3])).flat().map(({ tokens }) => tokens.join(' '));
    expect(await draw(4)).toEqual(await draw(4));
    expect(new Set([await draw(4), await draw(5), await draw(6)].map((each) => each.join())).size).toBeGreaterThan(1);
  });

  // Written down once; the tests of every backend draw them again.
  test.each<[SampleOptions, string]>([
    [{ seed: 7 }, '3 15 2; 3 9 2'],
    [{ seed: 7, temperature: 0.8, topP: 0.9, samples: 2 }, '3 15 4 10 4, 12 10 14 13 9; 12 7 14 13 9, 3 9 5 0 4'],
    [{ seed: 7, beamSize: 2, topK: 6 }, '3 19 1 13 7, 3 19 1 13 16; 16 16 1 1 9, 16 16 1 1 7'],
  ])('a seed draws the same on every backend: %o', async (options, expected) => {
    const found = await find(sample(options), scripted(20, 0.5), [1, 2], { maxLength: 5 });
    expect(found.map((all) => all.map(({ tokens }) => tokens.join(' ')).join(', ')).join('; ')).toBe(expected);
  });

  test.each<[SampleOptions, (p: number, best: number) => boolean]>([
    [{ minP: 0.2 }, (p, best) => p >= 0.2 * best],
    [{ epsilon: 0.1 }, (p) => p >= 0.1],
  ])('what %o takes away does not come', async (options, stays) => {
    const model = scripted(8, 1);
    const [captions] = await find(sample({ ...options, samples: 300 }), model, [1], { maxLength: 1 });
    const chances = model.logProbsOf(1, [startId]).map(Math.exp);
    const expected = [...chances.keys()].filter((token) => stays(chances[token]!, Math.max(...chances)));
    const drawn = [...new Set(captions!.map(({ tokens }) => tokens[0]!))].sort((a, b) => a - b);
    expect(drawn).toEqual(expected);
    expect(expected.length).toBeGreaterThan(1);
    expect(expected.length).toBeLessThan(8);
  });

  test('a beam of samples draws its first words in proportion', async () => {
    const model = scripted(6, 1);
    const counts = Array<number>(6).fill(0);
    const count = 1500;
    for (let seed = 0; seed < count; seed++) {
      const [all] = await find(sample({ beamSize: 1, seed }), model, [21], { maxLength: 1 });
      counts[all![0]!.tokens[0]!]!++;
    }
    const expected = model.logProbsOf(21, [startId]).map((logProb) => count * Math.exp(logProb));
    // Exceeded by chance once in a thousand with 5 degrees of freedom; the seeds are fixed.
    expect(expected.reduce((sum, want, token) => sum + (counts[token]! - want) ** 2 / want, 0)).toBeLessThan(20.5);
  });
});

describe('tokens as they come', () => {
  test.each<[string, Search]>([
    ['greedy', greedy()],
    ['sample', sample({ seed: 3 })],
    ['contrastive', contrastive()],
  ])('%s gives those that it returns', async (_, search) => {
    const heard: Spoken[][] = [[], [], []];
    const onToken = async (spoken: Spoken) => {
      await new Promise((resolve) => setTimeout(resolve, 0));
      heard[spoken.picture]!.push(spoken);
    };
    const found = await find(search, scripted(9, 1), [1, 2, 3], { onToken, attention: true });
    for (const [picture, [caption]] of found.entries()) {
      expect(heard[picture]!.map(({ token }) => token)).toEqual(caption!.tokens);
      expect(heard[picture]!.map(({ logProb }) => logProb)).toEqual(caption!.logProbs);
      expect(heard[picture]!.map(({ weights }) => weights)).toEqual(caption!.weights);
      expect(heard[picture]!.map(({ finished }) => finished)).toEqual(
        caption!.tokens.map((_, t) => caption!.finished && t === caption!.tokens.length - 1),
      );
    }
  });

  test.each<[string, Search]>([
    ['beam', beam({ beamSize: 2 })],
    ['beam sample', sample({ beamSize: 2 })],
    ['several samples', sample({ samples: 2 })],
  ])('%s cannot, and says which can', async (_, search) => {
    const failed = find(search, scripted(9, 1), [1], { onToken: () => {} });
    await expect(failed).rejects.toThrow(/greedy\(\) and sample\(\)/);
  });
});

describe('an option of another strategy is an error that names it', () => {
  const wrong = <T>(options: object) => options as T;
  test.each<[string, () => Search, string]>([
    [
      'greedy with topK',
      () => greedy(wrong<GreedyOptions>({ topK: 3 })),
      'greedy() does not take topK. sample() and contrastive() do.',
    ],
    [
      'greedy with beamSize',
      () => greedy(wrong<GreedyOptions>({ beamSize: 3 })),
      'greedy() does not take beamSize. beam() and sample() do.',
    ],
    [
      'beam with topP',
      () => beam(wrong<BeamOptions>({ beamSize: 3, topP: 0.9 })),
      'beam() does not take topP. sample() does.',
    ],
    [
      'beam with penaltyAlpha',
      () => beam(wrong<BeamOptions>({ beamSize: 3, penaltyAlpha: 0.9 })),
      'beam() does not take penaltyAlpha. contrastive() does.',
    ],
    [
      'sample with forcedWords',
      () => sample(wrong<SampleOptions>({ forcedWords: [[3]] })),
      'sample() does not take forcedWords. beam() does.',
    ],
    [
      'contrastive with seed',
      () => contrastive(wrong<ContrastiveOptions>({ seed: 3 })),
      'contrastive() does not take seed. sample() does.',
    ],
    [
      'nonsense',
      () => greedy(wrong<GreedyOptions>({ speed: 3 })),
      'greedy() does not take speed. No strategy does; it takes temperature, ',
    ],
    [
      'groups that do not divide',
      () => beam({ beamSize: 4, groups: 3, diversityPenalty: 1 }),
      'groups is 3 but should divide beamSize, 4',
    ],
    ['groups without penalty', () => beam({ beamSize: 4, groups: 2 }), 'diversityPenalty is NaN'],
    ['penalty without groups', () => beam({ beamSize: 4, diversityPenalty: 2 }), 'diversityPenalty keeps groups apart'],
    [
      'groups of another rule',
      () => beam({ beamSize: 4, groups: 2, diversityPenalty: 2, rule: 'shrinking' }),
      "groups belong to the rule 'heap'",
    ],
    [
      'forced words of another rule',
      () => beam({ beamSize: 4, forcedWords: [[3]], rule: 'heap' }),
      'forcedWords belong to the rule',
    ],
    ['empty forced words', () => beam({ beamSize: 4, forcedWords: [[]] }), 'forcedWords should hold sequences'],
    ['length penalty of no beam', () => sample({ lengthPenalty: 1 }), 'belong to beam sampling'],
    ['samples of a beam', () => sample({ beamSize: 2, samples: 2 }), 'samples and beamSize do not go together'],
    ['minP', () => sample({ minP: 2 }), 'minP is 2'],
    ['epsilon', () => sample({ epsilon: 1 }), 'epsilon is 1'],
    ['penaltyAlpha', () => contrastive({ penaltyAlpha: 2 }), 'penaltyAlpha is 2'],
    ['minLength', () => greedy({ minLength: -1 }), 'minLength is -1'],
    ['noRepeatNgram', () => greedy({ noRepeatNgram: 0 }), 'noRepeatNgram is 0'],
    ['repetitionPenalty', () => greedy({ repetitionPenalty: 0 }), 'repetitionPenalty is 0'],
    ['words for ids', () => greedy({ suppress: ['dog'] as unknown as number[] }), 'suppress holds "dog"'],
    ['allowed', () => greedy({ allowed: [3] as unknown as () => number[] }), 'allowed should be a function'],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(UsageError);
    expect(make).toThrow(message);
  });
});
