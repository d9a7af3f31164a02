import { expect, test } from 'vitest';
import { align } from '../../../src/metrics/meteor/align';
import { matchOptions, type Options } from '../../../src/metrics/meteor/modules';
import { search } from '../../../src/metrics/meteor/search';
import { analyse } from '../../../src/metrics/meteor/sentence';
import { data } from '../meteorGoldens';
import { seeded } from '../randomCaptions';

const { functionWords, synsets } = data;
/** Without these, letters match themselves alone. */
const letters = { functionWords, synsets: () => new Set<number>() };

test('equal sentences are matched word by word, as the search would', () => {
  const random = seeded(5);
  for (let round = 0; round < 200; round++) {
    const length = Math.floor(30 * random());
    const text = Array.from({ length }, () => 'abc'[Math.floor(3 * random())]!).join(' ');
    const sentence = analyse(text, letters);
    expect(align(sentence, sentence)).toEqual(search(matchOptions(sentence, sentence), length));
  }
});

test('modules run in order, and each finds all words', () => {
  const pair = ['running runs jog jogs', 'runs'].map((text) => analyse(text, data));
  const { starts, fixed } = matchOptions(pair[0]!, pair[1]!);
  expect(starts).toEqual([
    [
      { module: 0, referenceLength: 1, candidateStart: 1, candidateLength: 1 },
      { module: 1, referenceLength: 1, candidateStart: 0, candidateLength: 1 },
      ...[0, 2, 3].flatMap((candidateStart) =>
        shares('runs', ['running', 'runs', 'jog', 'jogs'][candidateStart]!)
          ? [{ module: 2, referenceLength: 1, candidateStart, candidateLength: 1 }]
          : [],
      ),
    ],
  ]);
  expect(fixed).toEqual([false]);
});

function shares(a: string, b: string): boolean {
  const others = synsets(b);
  return [...synsets(a)].some((number) => others.has(number));
}

/** What a search without a beam finds best: most exact words, then fewest chunks. */
function exhaustive({ starts }: Options): { matched: number; chunks: number } {
  let best = { matched: 0, chunks: 0 };
  const visit = (place: number, used: ReadonlySet<number>, end: number, chunks: number) => {
    if (place === starts.length) {
      if (used.size > best.matched || (used.size === best.matched && chunks < best.chunks))
        best = { matched: used.size, chunks };
      return;
    }
    for (const { candidateStart } of starts[place]!)
      if (!used.has(candidateStart))
        visit(
          place + 1,
          new Set([...used, candidateStart]),
          candidateStart + 1,
          chunks + (candidateStart === end ? 0 : 1),
        );
    visit(place + 1, used, -1, chunks);
  };
  visit(0, new Set(), -1, 0);
  return best;
}

test('in short sentences the beam finds the best alignment', () => {
  const random = seeded(7);
  for (let round = 0; round < 100; round++) {
    const [candidate, reference] = [0, 1].map(() =>
      analyse(Array.from({ length: 5 }, () => 'abcd'[Math.floor(4 * random())]!).join(' '), letters),
    );
    const options = matchOptions(candidate!, reference!);
    const matches = search(options, 5);
    let chunks = 0;
    for (const [i, { referenceStart, candidateStart }] of matches.entries()) {
      const before = matches[i - 1];
      if (before?.referenceStart !== referenceStart - 1 || before.candidateStart !== candidateStart - 1) chunks++;
    }
    expect({ matched: matches.length, chunks }).toEqual(exhaustive(options));
  }
});
