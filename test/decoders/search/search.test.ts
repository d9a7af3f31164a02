import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { DataError, UsageError } from '../../../src/core/errors';
import { type BeamOptions, beam } from '../../../src/decoders/search/beam';
import { contrastive } from '../../../src/decoders/search/contrastive';
import { greedy } from '../../../src/decoders/search/greedy';
import { sample } from '../../../src/decoders/search/sample';
import type { Hypothesis, Search, SearchProblem } from '../../../src/decoders/search/types';
import { expectClose, expectNoLeak } from '../../helpers';
import { logSoftmax, scripted } from './scripted';

const [startId, endId] = [1, 2];

/** Runs a search over pictures given by their seeds. */
async function find(
  search: Search,
  { decoder, memoryOf }: ReturnType<typeof scripted>,
  seeds: readonly number[],
  problem: Partial<SearchProblem> = {},
): Promise<Hypothesis[][]> {
  const memory = memoryOf(seeds);
  try {
    return await search(decoder, memory, { batch: seeds.length, startId, endId, maxLength: 6, ...problem });
  } finally {
    memory.picture.seed.dispose();
  }
}

/** The same captions; native engines sum in another order where rows are more, so that numbers differ in the last digits. */
function expectSame(actual: readonly Hypothesis[][], expected: readonly Hypothesis[][]): void {
  const exact = (found: readonly Hypothesis[][]) =>
    found.map((each) => each.map(({ tokens, finished }) => ({ tokens, finished })));
  expect(exact(actual)).toEqual(exact(expected));
  const numbers = (found: readonly Hypothesis[][]) =>
    found.flat().flatMap(({ score, logProbs, weights }) => [score, ...logProbs, ...(weights?.flat() ?? [])]);
  expectClose(numbers(actual), numbers(expected), 1e-5);
}

const boosted = (logits: readonly number[], ends: readonly number[]) =>
  logits.map((logit, token) => Math.fround(ends.includes(token) ? logit + 2 : logit));

/** The model with logits that favour ends. */
function endingOften(model: ReturnType<typeof scripted>, ends: readonly number[]): ReturnType<typeof scripted> {
  const step: typeof model.decoder.step = (...args) => {
    const asked = model.decoder.step(...args);
    return { ...asked, logits: tf.tensor2d(asked.logits.arraySync().map((row) => boosted(row, ends))) };
  };
  return { ...model, decoder: { ...model.decoder, step } };
}

const close = (actual: readonly Hypothesis[], expected: readonly Hypothesis[]) => {
  expect(actual.map(({ tokens, finished }) => ({ tokens, finished }))).toEqual(
    expected.map(({ tokens, finished }) => ({ tokens, finished })),
  );
  actual.forEach(({ logProbs, score }, i) => {
    expectClose([...logProbs, score], [...expected[i]!.logProbs, expected[i]!.score], 1e-5);
  });
};

const strategies: [string, Search][] = [
  ['greedy', greedy()],
  ['beam', beam({ beamSize: 3 })],
  ['beam, never stopping early', beam({ beamSize: 3, earlyStopping: 'never', lengthPenalty: 2 })],
  ['beam, stopping early', beam({ beamSize: 3, earlyStopping: true, temperature: 0.7 })],
  ['shrinking beam', beam({ beamSize: 3, rule: 'shrinking', temperature: 1.5 })],
  ['sample', sample({ seed: 5, samples: 3 })],
  ['filtered sample', sample({ seed: 6, topK: 4, topP: 0.8, temperature: 2 })],
  ['beam sample', sample({ seed: 7, beamSize: 3, temperature: 1.5 })],
  ['diverse beam', beam({ beamSize: 4, groups: 2, diversityPenalty: 0.7 })],
  ['beam of the older rule', beam({ beamSize: 3, rule: 'heap' })],
  ['contrastive', contrastive({ topK: 3 })],
];

describe('beside exhaustive search', () => {
  const vocabSize = 4;
  const maxLength = 4;
  const model = scripted(vocabSize, 1.5);

  /** Every caption there is: those that end, and those that `maxLength` cuts. */
  function everyCaption(
    seed: number,
    { temperature = 1, suppress = [] as number[], minLength = 0 } = {},
  ): Hypothesis[] {
    const walk = (tokens: number[], logProbs: number[]): Hypothesis[] => {
      const finished = tokens.at(-1) === endId;
      if (finished || tokens.length === maxLength)
        return [{ tokens, logProbs, score: logProbs.reduce((sum, value) => sum + value, 0), finished }];
      const next = model.logProbsOf(seed, [startId, ...tokens], temperature);
      return next.flatMap((logProb, token) =>
        suppress.includes(token) || (token === endId && tokens.length < minLength)
          ? []
          : walk([...tokens, token], [...logProbs, logProb]),
      );
    };
    return walk([], []);
  }
  const ranked = (captions: Hypothesis[], lengthPenalty: number) =>
    captions
      .map((caption) => ({ ...caption, score: caption.score / caption.tokens.length ** lengthPenalty }))
      .sort((a, b) => b.score - a.score);

  test.each([
    { lengthPenalty: 0 },
    { lengthPenalty: 1 },
    { lengthPenalty: 2, temperature: 0.6 },
    { lengthPenalty: -0.5, earlyStopping: 'never' as const },
    { lengthPenalty: 1, earlyStopping: true },
  ])('a beam that holds everything finds it all in order: %o', async (options) => {
    const found = await find(beam({ beamSize: 300, ...options }), model, [1, 2], { maxLength });
    [1, 2].forEach((seed, picture) => {
      close(found[picture]!, ranked(everyCaption(seed, options), options.lengthPenalty));
    });
  });

  test('tokens that may not come are left out, the others keep their probabilities', async () => {
    const bars = { suppress: [0], minLength: 2 };
    const found = await find(beam({ beamSize: 300 }), model, [3], { maxLength, ...bars });
    close(found[0]!, ranked(everyCaption(3, bars), 1));
  });

  test('so does a shrinking beam, which puts what was cut last', async () => {
    const found = await find(beam({ beamSize: 300, rule: 'shrinking' }), model, [4], { maxLength });
    const every = ranked(everyCaption(4), 0);
    close(found[0]!, [...every.filter(({ finished }) => finished), ...every.filter(({ finished }) => !finished)]);
  });

  test('greedy takes the likeliest token every time', async () => {
    const seeds = [5, 6, 7, 8];
    const found = await find(greedy({ temperature: 0.5 }), model, seeds, { maxLength });
    seeds.forEach((seed, picture) => {
      const tokens: number[] = [];
      const logProbs: number[] = [];
      while (tokens.length < maxLength && tokens.at(-1) !== endId) {
        const next = model.logProbsOf(seed, [startId, ...tokens], 0.5);
        logProbs.push(Math.max(...next));
        tokens.push(next.indexOf(Math.max(...next)));
      }
      const score = logProbs.reduce((sum, value) => sum + value, 0);
      close(found[picture]!, [{ tokens, logProbs, score, finished: tokens.at(-1) === endId }]);
    });
  });
});

test.each<BeamOptions>([
  { beamSize: 1, lengthPenalty: 0 },
  { beamSize: 1, rule: 'shrinking' },
])('a beam of one is greedy: %o', async (options) => {
  const model = scripted(30, 1);
  const seeds = [1, 2, 3, 4, 5, 6];
  const found = await find(beam(options), model, seeds, { maxLength: 12 });
  const expected = await find(greedy(), model, seeds, { maxLength: 12 });
  expect(new Set(expected.flat().map(({ finished }) => finished)).size, 'some end and some are cut').toBe(2);
  for (const picture of seeds.keys()) close(found[picture]!, expected[picture]!);
});

describe.each(strategies)('%s', (_, search) => {
  const model = scripted(20);
  const seeds = [11, 12, 13, 14, 15];

  test('does not depend on how pictures are batched', async () => {
    const together = await find(search, model, seeds, { maxLength: 9, attention: true });
    for (const [picture, seed] of seeds.entries()) {
      const [alone] = await find(search, model, [seed], { maxLength: 9, attention: true });
      expectSame([together[picture]!], [alone!]);
    }
  });

  test('returns captions that end or have the full length, best first, with log-probabilities of their own', async () => {
    const found = await find(search, model, seeds, { maxLength: 3 });
    for (const hypotheses of found) {
      expect(hypotheses.length).toBeGreaterThan(0);
      for (const { tokens, logProbs, finished, weights } of hypotheses) {
        expect(finished).toBe(tokens.at(-1) === endId);
        expect(tokens.slice(0, -1)).not.toContain(endId);
        if (!finished) expect(tokens.length).toBe(3);
        expect(logProbs.length).toBe(tokens.length);
        expect(weights).toBeUndefined();
      }
      for (const finished of [true, false]) {
        const scores = hypotheses.filter((each) => each.finished === finished).map(({ score }) => score);
        expect(scores).toEqual([...scores].sort((a, b) => b - a));
      }
    }
  });

  test('keeps the attention weights of the very hypothesis', async () => {
    const found = await find(search, model, seeds, { attention: true });
    for (const [picture, seed] of seeds.entries())
      for (const { tokens, weights } of found[picture]!)
        expect(weights).toEqual(tokens.map((_, t) => model.weightsOf(seed, [startId, ...tokens.slice(0, t)])));
  });

  test('never generates what is suppressed, nor ends too early', async () => {
    const suppress = [0, 1, 3, 4, 5, 6, 7, 8];
    const found = await find(search, model, seeds, { suppress, minLength: 4 });
    for (const { tokens } of found.flat()) {
      expect(tokens.filter((token) => suppress.includes(token))).toEqual([]);
      expect(tokens.slice(0, 4)).not.toContain(endId);
    }
  });

  test('any of several end tokens ends a caption; with none, all have the full length', async () => {
    const ends = [2, 3, 4, 5];
    for (const { tokens, finished } of (await find(search, model, seeds, { endId: ends, maxLength: 9 })).flat()) {
      expect(finished).toBe(ends.includes(tokens.at(-1)!));
      expect(tokens.slice(0, -1).some((token) => ends.includes(token))).toBe(false);
    }
    for (const { tokens, finished } of (await find(search, model, seeds, { endId: [], maxLength: 4 })).flat())
      expect({ length: tokens.length, finished }).toEqual({ length: 4, finished: false });
  });

  test('leaves no tensors behind, neither when it ends nor when it fails', async () => {
    await expectNoLeak(() => find(search, model, seeds, { attention: true }));
    const failures: [number, () => never][] = [
      [0, () => expect.fail('at once')],
      [2, () => expect.fail('later')],
    ];
    for (const [after, fail] of failures) {
      let steps = 0;
      const step: typeof model.decoder.step = (...args) => (steps++ === after ? fail() : model.decoder.step(...args));
      const failing = { ...model, decoder: { ...model.decoder, step } };
      await expectNoLeak(() => expect(find(search, failing, seeds)).rejects.toThrow(/at once|later/));
    }
  });

  test('leaves alone what belongs to others, though a decoder hands it back', async () => {
    const idle = {
      ...model,
      decoder: {
        initialState: ({ picture }: { picture: { seed: tf.Tensor2D } }) => ({ seed: picture.seed }),
        step: (tokens: tf.Tensor1D, state: { seed: tf.Tensor2D }) => ({
          logits: tf.tensor2d(tokens.arraySync().map((token) => [0, 0, -3, token, 1])),
          hidden: state.seed as tf.Tensor2D,
          state,
        }),
      },
    };
    await expectNoLeak(async () => {
      const memory = model.memoryOf([1, 2]);
      await search(idle.decoder, memory, { batch: 2, startId, endId, maxLength: 5 });
      expect(memory.picture.seed.arraySync()).toEqual([[1], [2]]);
      memory.picture.seed.dispose();
    });
  });

  test('stops when asked to, with the reason given', async () => {
    const reason = new Error('enough');
    await expectNoLeak(() =>
      expect(find(search, model, seeds, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason),
    );
    const before = model.calls.length;
    await expectNoLeak(() => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 1);
      const problem = { signal: controller.signal, endId: [], maxLength: 20 };
      return expect(find(search, model, seeds, problem)).rejects.toBe(reason);
    });
    expect(model.calls.length - before).toBeLessThan(20);
  });

  test.each<[string, Partial<SearchProblem>]>([
    ['maxLength', { maxLength: 0 }],
    ['maxLength', { maxLength: 2.5 }],
    ['minLength', { minLength: -1 }],
    ['batch', { batch: 0 }],
    ['memory.picture.seed', { batch: 4 }],
    ['suppress', { suppress: Array.from({ length: 20 }, (_, token) => token) }],
  ])('refuses a %s that cannot be meant', async (name, problem) => {
    const found = () => find(search, model, seeds, problem);
    await expectNoLeak(() => expect(found()).rejects.toThrow(UsageError));
    await expect(found()).rejects.toThrow(name);
  });

  test('says so when the decoder gives no numbers', async () => {
    const step = (tokens: tf.Tensor1D, state: tf.Tensor2D) => ({
      logits: tf.fill<tf.Rank.R2>([tokens.size, 20], NaN),
      hidden: tf.ones<tf.Rank.R2>([tokens.size, 2]),
      state,
    });
    const broken = { initialState: () => tf.zeros<tf.Rank.R2>([1, 1]), step };
    const memory = tf.zeros([1, 1]);
    await expectNoLeak(() =>
      expect(search(broken, memory, { batch: 1, startId, endId, maxLength: 3 })).rejects.toThrow(DataError),
    );
    memory.dispose();
  });
});

test('rows keep to their pictures when one picture loses what another gains', async () => {
  const model = scripted(4);
  const search = beam({ beamSize: 2, rule: 'shrinking' });
  for (let seed = 0; seed < 200; seed += 2) {
    const seeds = [seed, seed + 1];
    const together = await find(search, model, seeds, { endId: [2, 3] });
    const alone = await Promise.all(seeds.map((each) => find(search, model, [each], { endId: [2, 3] })));
    expectSame(together, alone.flat());
  }
});

test('a shrinking beam keeps as many hypotheses as it began with', async () => {
  const found = await find(beam({ beamSize: 4, rule: 'shrinking' }), scripted(20, 1), [1, 2, 3, 4, 5, 6]);
  expect(found.map(({ length }) => length)).toEqual([4, 4, 4, 4, 4, 4]);
});

/**
 * The vectorised beam search of transformers for one picture, literally as its rules are written down: slots and dummies
 * at -1e9, flags, candidates that stop pushed down by 1e9. No eye to speed; for vocabularies larger than 2 * beamSize.
 */
function literalBeam(
  next: (tokens: number[]) => number[],
  beamSize: number,
  ends: number[],
  maxLength: number,
  { lengthPenalty = 1, earlyStopping = false }: { lengthPenalty?: number; earlyStopping?: boolean | 'never' },
) {
  const far = -1e9;
  let live = Array.from({ length: beamSize }, (_, i) => ({ tokens: [] as number[], sum: i === 0 ? 0 : far }));
  let slots = Array.from({ length: beamSize }, () => ({ tokens: [] as number[], score: far, full: false }));
  for (let n = 1; n <= maxLength; n++) {
    const candidates = live
      .flatMap(({ tokens, sum }) => next(tokens).map((value, id) => ({ tokens: [...tokens, id], sum: sum + value })))
      .sort((a, b) => b.sum - a.sum)
      .slice(0, Math.max(2, 1 + ends.length) * beamSize)
      .map((each) => ({ ...each, hit: ends.includes(each.tokens.at(-1)!) || n === maxLength }));
    live = candidates
      .map(({ tokens, sum, hit }) => ({ tokens, sum: hit ? sum + far : sum }))
      .sort((a, b) => b.sum - a.sum)
      .slice(0, beamSize);
    const allFull = slots.every(({ full }) => full);
    if (!(allFull && earlyStopping === true)) {
      const ending = candidates.map(({ tokens, sum, hit }, rank) => {
        const score = sum / n ** lengthPenalty;
        return hit && rank < beamSize ? { tokens, score, full: true } : { tokens, score: 2 * far, full: false };
      });
      slots = [...slots, ...ending].sort((a, b) => b.score - a.score).slice(0, beamSize);
    }
    const full = slots.every((slot) => slot.full);
    const judged = earlyStopping === 'never' && lengthPenalty > 0 ? maxLength : n;
    if (full && (earlyStopping === true || live[0]!.sum / judged ** lengthPenalty <= slots.at(-1)!.score)) break;
  }
  return slots;
}

test.each([
  { lengthPenalty: 1 },
  { lengthPenalty: 0 },
  { lengthPenalty: 3 },
  { lengthPenalty: -1 },
  { lengthPenalty: -1, earlyStopping: 'never' as const },
  { lengthPenalty: 2, earlyStopping: 'never' as const },
  { lengthPenalty: 1, earlyStopping: true },
])('beam search agrees with its rules taken literally: %o', async (options) => {
  for (const [sharpness, beamSize, ends] of [
    [0.5, 3, [2]],
    [1, 4, [2, 5]],
    [2, 2, [2, 5, 7]],
    [6, 3, [2]],
    [1, 2, []],
  ] as const) {
    const model = scripted(24, sharpness);
    const seeds = Array.from({ length: 12 }, (_, picture) => picture);
    // Ends are likely, so that slots fill up and searches stop for every reason.
    const found = await find(beam({ beamSize, ...options }), endingOften(model, ends), seeds, {
      endId: ends,
      maxLength: 7,
    });
    for (const seed of seeds) {
      const next = (tokens: number[]) => boosted(model.logitsOf(seed, [startId, ...tokens]), ends);
      const expected = literalBeam((tokens) => logSoftmax(next(tokens)), beamSize, [...ends], 7, options);
      expect(found[seed]!.map(({ tokens }) => tokens)).toEqual(expected.map(({ tokens }) => tokens));
      expectClose(
        found[seed]!.map(({ score }) => score),
        expected.map(({ score }) => score),
        1e-5,
        1e-5,
      );
    }
  }
});

test('finished pictures leave the batch', async () => {
  const model = scripted(20);
  const found = await find(greedy(), model, [11, 12, 13, 14, 15], { maxLength: 20 });
  const lengths = found.map(([caption]) => caption!.tokens.length);
  expect(model.calls).toEqual(
    Array.from({ length: Math.max(...lengths) }, (_, t) => lengths.filter((l) => l > t).length),
  );
});

describe('sampling', () => {
  const model = scripted(6, 1);
  const count = 4000;
  const seed = 21;

  /** How often each token came first in `count` captions. */
  const drawn = async (options: Parameters<typeof sample>[0], problem: Partial<SearchProblem> = {}) => {
    const [captions] = await find(sample({ samples: count, ...options }), model, [seed], { maxLength: 1, ...problem });
    const counts = Array<number>(6).fill(0);
    for (const { tokens } of captions!) counts[tokens[0]!]!++;
    return { counts, captions: captions! };
  };
  const shares = (masses: readonly number[]) =>
    masses.map((mass) => mass / masses.reduce((sum, each) => sum + each, 0));
  const chiSquare = (counts: readonly number[], probabilities: readonly number[]) =>
    probabilities.reduce((sum, p, token) => {
      if (p === 0) expect(counts[token], `token ${token} cannot come`).toBe(0);
      return p === 0 ? sum : sum + (counts[token]! - count * p) ** 2 / (count * p);
    }, 0);
  const probabilities = (temperature = 1) => model.logProbsOf(seed, [startId], temperature).map(Math.exp);
  /** Without all but the `kept` likeliest. */
  const only = (kept: number, masses: readonly number[]) => {
    const floor = [...masses].sort((a, b) => b - a)[kept - 1]!;
    return shares(masses.map((mass) => (mass >= floor ? mass : 0)));
  };
  const sorted = [...probabilities()].sort((a, b) => b - a);

  // 20.5 is exceeded by chance once in a thousand with 5 degrees of freedom; the seeds are fixed, so it never flakes.
  test.each([
    ['everything', {}, probabilities()],
    ['warm', { temperature: 1.7, seed: 3 }, probabilities(1.7)],
    ['cold', { temperature: 0.5 }, probabilities(0.5)],
    ['top-k', { topK: 3 }, only(3, probabilities())],
    ['top-k beyond the vocabulary', { topK: 100 }, probabilities()],
    ['top-p, cut within the third', { topP: sorted[0]! + sorted[1]! + sorted[2]! / 2 }, only(3, probabilities())],
    ['top-p, just reached by two', { topP: sorted[0]! + sorted[1]! - 1e-4 }, only(2, probabilities())],
    ['top-p, just beyond two', { topP: sorted[0]! + sorted[1]! + 1e-4 }, only(3, probabilities())],
    ['top-p below the likeliest', { topP: 1e-9 }, only(1, probabilities())],
    ['top-p of the mass that top-k left', { topK: 2, topP: sorted[0]! + 0.01 }, only(1, probabilities())],
  ])('draws %s as often as it should', async (_, options, expected) => {
    const { counts, captions } = await drawn(options);
    expect(chiSquare(counts, expected)).toBeLessThan(20.5);
    const own = model.logProbsOf(seed, [startId], 'temperature' in options ? options.temperature : 1);
    for (const { tokens, logProbs } of captions) expect(logProbs[0]).toBeCloseTo(own[tokens[0]!]!, 5);
  });

  test('a wrong distribution would be noticed', async () => {
    const { counts } = await drawn({});
    expect(chiSquare(counts, probabilities(1.3))).toBeGreaterThan(20.5);
  });

  test('draws the rest in proportion when tokens are suppressed', async () => {
    const suppressed = probabilities().map((p, token) => (token === 0 || token === 4 ? 0 : p));
    const { counts } = await drawn({ topK: 6 }, { suppress: [0, 4] });
    expect(chiSquare(counts, shares(suppressed))).toBeLessThan(20.5);
  });

  test.each([0, 5])('takes the top-k of the tokens that may come (suppressed: the one of rank %i)', async (rank) => {
    const barred = probabilities().indexOf(sorted[rank]!);
    const rest = probabilities().map((p, token) => (token === barred ? 0 : p));
    const { counts } = await drawn({ topK: 2 }, { suppress: [barred] });
    expect(chiSquare(counts, only(2, rest))).toBeLessThan(20.5);
  });

  test('later tokens are drawn independently of the first', async () => {
    const options = { samples: count, seed: 8 };
    const [captions] = await find(sample(options), model, [seed], { maxLength: 2, endId: [] });
    const first = captions!.filter(({ tokens }) => tokens[0] === 0);
    const expected = model.logProbsOf(seed, [startId, 0]).map((logProb) => first.length * Math.exp(logProb));
    const sum = expected.reduce((total, want, token) => {
      const got = first.filter(({ tokens }) => tokens[1] === token).length;
      return total + (got - want) ** 2 / want;
    }, 0);
    expect(first.length).toBeGreaterThan(200);
    expect(sum).toBeLessThan(20.5);
  });

  test('the seed decides', async () => {
    const tokens = async (options: Parameters<typeof sample>[0]) =>
      (await find(sample(options), model, [1, 2], { maxLength: 9 })).flat().map((each) => each.tokens.join(' '));
    expect(await tokens({ seed: 1 })).toEqual(await tokens({ seed: 1 }));
    expect(await tokens({ seed: 1 })).not.toEqual(await tokens({ seed: 2 }));
    expect(await tokens({})).toEqual(await tokens({ seed: 0, samples: 1 }));
  });
});

describe('wrong options are refused when they are given', () => {
  test.each<[string, () => Search]>([
    ['beamSize', () => beam({ beamSize: 0 })],
    ['beamSize', () => beam({ beamSize: 1.5 })],
    ['beamSize', () => beam({} as BeamOptions)],
    ['temperature', () => beam({ beamSize: 2, temperature: 0 })],
    ['temperature', () => greedy({ temperature: -1 })],
    ['temperature', () => sample({ temperature: NaN })],
    ['lengthPenalty', () => beam({ beamSize: 2, lengthPenalty: NaN })],
    ['lengthPenalty', () => beam({ beamSize: 2, lengthPenalty: 1, rule: 'shrinking' })],
    ['earlyStopping', () => beam({ beamSize: 2, earlyStopping: true, rule: 'shrinking' })],
    ['earlyStopping', () => beam({ beamSize: 2, earlyStopping: 'always' as 'never' })],
    ['rule', () => beam({ beamSize: 2, rule: 'legacy' as 'shrinking' })],
    ['topK', () => sample({ topK: 0 })],
    ['topP', () => sample({ topP: 0 })],
    ['topP', () => sample({ topP: 1.1 })],
    ['topP', () => sample({ topP: NaN })],
    ['seed', () => sample({ seed: 0.5 })],
    ['samples', () => sample({ samples: 0 })],
  ])('%s', (name, make) => {
    expect(make).toThrow(UsageError);
    expect(make).toThrow(name);
  });
});
